"""The parameter plane and the hole of the next training."""
