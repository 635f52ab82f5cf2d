"""Benchmarks of the job layer: against its peers, and how long things take to happen."""
