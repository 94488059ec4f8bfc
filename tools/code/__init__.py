"""What the project knows about source code: symbols, the map of a project, windows of files.

docs/code.md has the interface.
"""
