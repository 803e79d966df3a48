"""Figures for files: what is on screen, drawn by matplotlib in a process of its own (`python -m core.figures`)."""
