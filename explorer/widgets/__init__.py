"""What views share: theme, icons, painting helpers and small widgets."""
