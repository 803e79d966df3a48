"""The published experiments, run again: trained, measured and reported, each in a folder of its own."""
