"""Batches: one request for many videos, with an error for each that is refused."""
