"""Probing, decoding and encoding of media behind one port."""
