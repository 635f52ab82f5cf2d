"""Cuepoint: a self-hosted video-understanding backend behind one GraphQL API."""

__version__ = "0.1.0"
