"""Bytes from foreign places: web servers, buckets, folders and sites, behind one port that trusts none of them."""
