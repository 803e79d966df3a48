"""Starting, steering and replaying a training."""
