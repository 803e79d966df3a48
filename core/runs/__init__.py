"""The run directory: its files, its lock and its log of metrics. No torch."""
