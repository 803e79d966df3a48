"""What ``scripts/benchmark.py`` measures, one subject a module; ``programs`` run in processes of their own."""
