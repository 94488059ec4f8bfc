"""The git tool: a repository is read and written without running any program that it names."""
