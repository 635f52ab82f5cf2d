"""Every file in storage: where it lies, which row it belongs to, and how it goes once that row is gone."""
