"""The trash: deleted videos that can be restored for a while."""
