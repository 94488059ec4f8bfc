"""Slash commands: those that are built in, and those that the user writes as Markdown files."""
