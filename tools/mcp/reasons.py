"""Why a server cannot be used, in a line that helps."""

from __future__ import annotations

from collections.abc import Iterator

from tools.mcp.log import ServerLog

LONGEST = 300


class Unavailable(Exception):
    """There is no connection to a server; the text says why."""


class SignInNeeded(Exception):
    """The server wants a person to sign in, and this is not the moment to ask."""


def reason_of(error: BaseException, log: ServerLog | None = None) -> str:
    """One line about an error, and what the server said last, if that may explain it."""
    inner = list(_leaves(error))
    for one in inner:
        if isinstance(one, SignInNeeded):
            return str(one)
    first = inner[0]
    text = " ".join(str(first).split())
    if isinstance(first, FileNotFoundError):
        text = f"there is no {first.filename!r} here"
    elif isinstance(first, OSError) and first.strerror:
        text = first.strerror
    elif type(first).__name__ in ("ConnectError", "ConnectTimeout"):  # of whichever HTTP library
        text = f"nothing answers at its address ({text})"
    elif type(first).__name__ == "OAuthRegistrationError":
        text = (
            f"it wants a sign-in and lets no client register ({text}): give the client in `oauth`, "
            "or a token with -H 'Authorization: Bearer ${TOKEN}'"
        )
    text = text or type(first).__name__
    said = log.last if log is not None else ""
    return f"{text[:LONGEST]}; it said: {said}" if said and said not in text else text[:LONGEST]


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error
