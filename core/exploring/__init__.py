"""The window as a Python program uses it: opened on its own arrays and functions, and asked what is selected there."""
