"""What a friend would pick: sensible builds as columns, models on them, the named picks, and the reasons in words."""
