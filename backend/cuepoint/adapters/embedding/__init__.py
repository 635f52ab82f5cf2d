"""Text embeddings behind one port."""
