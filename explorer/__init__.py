"""Isoline's window: a Qt application that looks at runs. It never imports torch; the engine process decodes."""
