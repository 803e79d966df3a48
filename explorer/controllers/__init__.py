"""What ties state, views and engine together: one controller for each thing a person does.

A controller listens to gestures, writes the state, and shows the state in its views. Controllers meet only in the
state; ``explorer.app`` makes them.
"""
