"""Copies of a folder's files outside of it, so that a turn can be undone; needs the program git."""
