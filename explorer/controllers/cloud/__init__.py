"""The latent cloud: points, probe, gridlines, sample losses, the film of it."""
