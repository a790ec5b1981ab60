"""Which model: what a machine runs, how fast, and how good it is at a task."""
