"""Speech recognition behind one port."""
