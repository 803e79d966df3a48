"""Latents that were made elsewhere, from the files in which people keep them. Nothing read can execute code."""
