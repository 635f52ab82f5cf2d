"""Postgres and Redis as child processes, for machines that have neither: what `cuepoint up` runs."""
