"""The commands of `isoline` that need no window, one module each."""
