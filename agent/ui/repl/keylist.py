"""The keys of the REPL as the help shows them."""

from __future__ import annotations

KEYS = (
    ("Enter", "send; while the model works: queue"),
    ("Ctrl-S", "steer: stop the model and send this now"),
    ("Esc", "stop the model; what it said stays"),
    ("Ctrl-C", "stop, or empty the prompt; twice: leave"),
    ("Ctrl-J, Alt-Enter", "a new line"),
    ("Up", "earlier prompts; takes back what was queued"),
    ("Ctrl-R", "search in earlier prompts"),
    ("Tab", "complete a /command or an @path"),
    ("Shift-Tab", "the next approval mode"),
    ("Ctrl-O", "show what was folded"),
    ("Ctrl-G", "write the prompt in $EDITOR"),
    ("Ctrl-L", "clear the screen"),
    ("Ctrl-D", "leave"),
    ("!command", "run it yourself and show it to the model"),
    ("!!command", "run it yourself; the model does not see it"),
    ("@path", "show a file to the model"),
)
