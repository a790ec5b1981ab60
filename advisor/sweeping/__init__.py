"""Very many predictions at once: a grid of models and machines as files of columns, by processes or on a cluster."""
