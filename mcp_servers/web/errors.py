"""What can go wrong on the web, as text for the model and for people."""

from __future__ import annotations


class WebError(Exception):
    """A search or a fetch that failed; the text says what happened and what to do."""
