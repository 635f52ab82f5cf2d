"""Deleting whole projects, and giving up their files while all else is kept."""
