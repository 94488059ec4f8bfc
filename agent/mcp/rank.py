"""Which tools fit some words: names weigh more than descriptions, rare words more than common."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence

NAME_WEIGHT = 3.0
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")
_STOP = frozenset(
    [
        "a", "all", "an", "and", "any", "be", "by", "can", "do", "for", "from", "get", "how", "i",
        "in", "is", "it", "me", "my", "of", "on", "or", "that", "the", "this", "to", "tool", "use",
        "want", "what", "with",
    ]
)  # fmt: skip


def words(text: str) -> list[str]:
    """Lower case, names split by case and underscore, plurals without their s."""
    return [_stem(word.lower()) for word in _WORD.findall(text)]


def _stem(word: str) -> str:
    for ending in ("ies", "ing", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word


def rank(query: str, tools: Mapping[str, str]) -> list[str]:
    """Names of `tools` (name: description) that have some of the words, the best first."""
    asked = {w for w in words(query) if w not in _STOP} or set(words(query))
    names = {name: Counter(words(name)) for name in tools}
    texts = {name: Counter(words(text)) for name, text in tools.items()}
    weight = {word: _rarity(word, [{**texts[n], **names[n]} for n in tools]) for word in asked}
    scores = {
        name: sum(
            weight[word] * max(_has(word, names[name]) * NAME_WEIGHT, _has(word, texts[name]))
            for word in asked
        )
        for name in tools
    }
    # Of equals the shorter description is about less else.
    order = sorted(tools, key=lambda name: (-scores[name], len(texts[name]), name))
    return [name for name in order if scores[name] > 0]


def _has(word: str, found: Mapping[str, int]) -> float:
    if word in found:
        return 1.0
    return 0.5 if len(word) >= 4 and any(other.startswith(word) for other in found) else 0.0


def _rarity(word: str, documents: Sequence[Mapping[str, int]]) -> float:
    count = sum(1 for document in documents if word in document)
    return math.log(1 + len(documents) / (1 + count)) + 0.1
