"""Messages between the window and the engine process, and how they travel. Imports no torch."""
