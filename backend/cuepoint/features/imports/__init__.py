"""Imports: files that this instance fetches itself, by URL, from playlists, and from watched folders and buckets."""
