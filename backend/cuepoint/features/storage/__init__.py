"""Looking after storage: statistics, trash, retention, and the audit of files and rows."""
