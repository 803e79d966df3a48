"""Where images of one's own come from: one module a kind, each gives an ``ImageSource``."""
