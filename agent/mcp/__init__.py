"""MCP servers of a session: which ones, whether they are trusted, and how their tools fit."""
