"""Transcripts, their segments and words, and the passages cut from them."""
