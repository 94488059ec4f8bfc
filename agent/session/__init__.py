"""Sessions: the append-only log of events on disk."""

from agent.session.find import (
    LAST,
    UNFINISHED,
    SessionSummary,
    find_session,
    list_sessions,
    read_session,
)
from agent.session.store import SessionLog

__all__ = [
    "LAST",
    "UNFINISHED",
    "SessionLog",
    "SessionSummary",
    "find_session",
    "list_sessions",
    "read_session",
]
