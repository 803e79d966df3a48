"""Measurements of images, paths, transects and clouds. No torch."""
