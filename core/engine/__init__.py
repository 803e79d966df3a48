"""The process that holds the loaded model and answers the window: ``python -m core.engine``."""
