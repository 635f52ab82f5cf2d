"""Moments worth watching, scored from the transcript."""
