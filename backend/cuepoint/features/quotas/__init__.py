"""Limits on what a project, a user or the whole instance may store, process and have waiting."""
