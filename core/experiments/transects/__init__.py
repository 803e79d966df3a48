"""The study's first experiment: errors along lines into a hole cut out of the training data."""
