"""What concerns the whole window: the open run, commands, undo, attributes, status."""
