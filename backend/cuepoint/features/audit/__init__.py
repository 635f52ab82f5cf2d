"""Who changed what: the log that every feature writes to, in the transaction of the change."""
