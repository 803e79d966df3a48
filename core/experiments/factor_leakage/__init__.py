"""How much of the other factors leaks into each kind of path."""
