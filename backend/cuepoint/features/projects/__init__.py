"""Projects, their members, and the one gate that decides who sees what."""
