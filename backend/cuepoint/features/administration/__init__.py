"""What concerns the whole instance or several features at once: reading the audit log, and removing people."""
