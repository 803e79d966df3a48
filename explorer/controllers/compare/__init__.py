"""A second run beside the open one."""
