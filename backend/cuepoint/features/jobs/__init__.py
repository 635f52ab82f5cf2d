"""Background jobs: kinds, states, transitions, pipelines and live progress."""
