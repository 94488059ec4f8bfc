"""The interactive user interface: a prompt below a scrollback of plain terminal output."""
