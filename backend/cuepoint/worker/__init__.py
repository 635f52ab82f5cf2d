"""The job process: claims jobs from Postgres, runs their tasks, and keeps its lease."""
