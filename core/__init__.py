"""Isoline's core: data, models, training, decoding and the geometry of latent spaces. No Qt anywhere."""

__version__ = "0.1.0"
