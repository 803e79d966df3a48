"""Saving figures of what is on screen."""
