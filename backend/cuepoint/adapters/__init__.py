"""The outside world behind typed ports: one folder per port, one frozen bundle per process."""
