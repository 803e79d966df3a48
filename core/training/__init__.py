"""Training a model into a run directory: the loop, what is recorded, how it is steered, and how it resumes."""
