"""Data that ships with Isoline: icons, the bundled model, the sample project. Read with ``importlib.resources``."""
