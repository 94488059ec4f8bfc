"""Search over a project: definitions and documents, found by words, names and the graph of uses."""
