"""The path: kinds, tracing, playback, comparison, saved paths."""
