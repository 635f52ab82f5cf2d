"""Files: local disk and object stores behind one port, and signed URLs."""
