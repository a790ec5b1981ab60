"""Where the bytes lie and how long it takes: pure functions of named numbers, on floats and numpy arrays alike."""
