"""Bells and live events over Redis behind one port."""
