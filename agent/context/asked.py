"""What kind of answer a user's message asks for, as far as its words tell."""

from __future__ import annotations

import re

_ASKING = ("what", "why", "how", "which", "where", "who", "when", "is", "are", "does", "do")
# What changes files whatever it is said of, and what may as well be said of words.
_MENDING = (
    "fix|repair|debug|implement|refactor|rename|reformat|optimi[sz]e|simplify|improve|clean up|"
    "tidy|migrate|upgrade|bug|wrong|broken|fails?|failing"
)
_MAKING = (
    "add|append|insert|create|write|make|build|generate|give|put|set|change|edit|update|correct|"
    "replace|remove|delete|drop|move|split|extract|merge|convert|extend|support|use|return|raise|"
    "should|must|needs?|want"
)
_THINGS = (
    "files?|folders?|modules?|packages?|functions?|methods?|class(?:es)?|scripts?|tests?|code|"
    "docstrings?|comments?|imports?|program|command line|readme|changelog|parameters?|arguments?|"
    "variables?|constants?|exceptions?|returns?|errors?|types?|pages?"
)
_MEND = re.compile(rf"\b(?:{_MENDING})\b", re.IGNORECASE)
_MAKE = re.compile(rf"\b(?:{_MAKING})\b", re.IGNORECASE)
_THING = re.compile(rf"\b(?:{_THINGS})\b|\b\w+\.[a-z]\w{{0,4}}\b|`|\w\(|\w_\w", re.IGNORECASE)
_POINT = re.compile(r"\b(?:it|this|these|that|those|them|all|everything|here)\b", re.IGNORECASE)
_CAN_YOU = re.compile(r"(?:can|could|do|have) (?:you|i|we)\b", re.IGNORECASE)
_SAYING = re.compile(
    r"^(?:please |now )*(?:explain|describe|list|show|tell|say|summari[sz]e|review|find|search|run|"
    r"read|compare|count)\b",
    re.IGNORECASE,
)


def asks_to_know(message: str) -> bool:
    """Whether a message is one question that words settle; servers may be named before it."""
    is_one = message.rstrip().endswith("?") and message.count("?") == 1
    return is_one and (_opens_a_question(message) or _asks_whether(message))


def wants_change(message: str) -> bool:
    """Whether a message asks for files to be changed, and not for words: talk, a question, a verse.

    Where it cannot be told the answer is no, and the model decides.
    """
    if message.rstrip().endswith("?") or ("?" in message and _opens_a_question(message)):
        return False
    if _SAYING.match(message.strip()):
        return False
    return bool(_MEND.search(message) or (_MAKE.search(message) and _THING.search(message)))


def is_talk(message: str) -> bool:
    """Whether a message has nothing to do with files, as far as can be told: a greeting, a verse.

    A question may always be about them.
    """
    if "?" in message or "@" in message or _SAYING.match(message.strip()):
        return False
    if _MEND.search(message) or _THING.search(message):
        return False
    return not (_MAKE.search(message) and _POINT.search(message))


def _asks_whether(message: str) -> bool:
    """Whether a "can you ...?" is more than a polite way to ask for a change."""
    is_polite = _CAN_YOU.match(message.strip()) is not None
    return is_polite and not _MEND.search(message) and not _MAKE.search(message)


def _opens_a_question(message: str) -> bool:
    words = [word for word in message.split() if not word.startswith("@")]
    return bool(words) and words[0].lower() in _ASKING
