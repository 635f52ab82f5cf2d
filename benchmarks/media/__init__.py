"""Measurements of media work: CPU of children, interleaved, as ratios of one run."""
