"""What the engine does for each request, one module a subject."""
