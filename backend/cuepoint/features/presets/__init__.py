"""Options of jobs that are said once: settings of a project, and presets under a name."""
