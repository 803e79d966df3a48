"""Drawing, measuring and exporting transects."""
