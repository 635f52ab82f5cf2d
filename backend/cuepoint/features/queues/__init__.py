"""Queues and workers for operators: what waits, who works, pause, resume, drain, clear, statistics."""
