"""The command line ``isoline``: its entry, and one module a command."""
