"""A client of MCP servers: connections, their tools as ours, and what they bring back as text."""
