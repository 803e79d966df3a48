"""The surface that the samples lie on, and curves over it. Nothing here imports torch."""
