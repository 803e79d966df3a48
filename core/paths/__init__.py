"""Paths through latent space: points, recipes, frames, and the files they are kept and exported in. No torch."""
