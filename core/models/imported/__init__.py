"""Models that were not trained here: reading their files without trusting them, and running them."""
