"""The published experiments, started and followed."""
