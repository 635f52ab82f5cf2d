"""Retrievable texts, their embeddings, and semantic search."""
