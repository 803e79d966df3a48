"""A guided tour that uses the real window as a person does, takes a picture of every stage, and measures.

``isoline tour DIR`` drives the program by mouse and key events through its main journeys. What it clicks is what a
person can see; what it waits for is what a person would wait for. It doubles as the program's end-to-end test and as
the source of the pictures in the README.
"""

from explorer.tour.command import main

__all__ = ["main"]
