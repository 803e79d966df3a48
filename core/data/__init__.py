"""The images: sources, splits, the polar curves with their inverse, and attributes of images. No torch."""
