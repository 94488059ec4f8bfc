"""Grammar while decoding, by llguidance.

A token is sampled freely first and only checked; the mask over the whole vocabulary is applied
when the check refuses it. A model that writes well therefore pays a few microseconds a token.
"""

from __future__ import annotations

import json
import re

import numpy as np
import numpy.typing as npt
from llguidance import LLMatcher, LLTokenizer
from llguidance.llamacpp import lltokenizer_from_vocab

from agent.engine.native import Model
from agent.errors import IngleError

MOST_COMPILED = 16  # grammars that are kept; one with a file in it has some MB
# What is no mistake of the grammar: the library's limits, and a vocabulary without a family's tags.
_LIMITS = re.compile(r"unknown special token|\blimits?\b|\bfuel\b|too (big|many|complex)")
# A rule for one control token, as `dialects.grammar.token` writes it. No text of a file can look
# like that: it stands in quotes, where newlines are escaped.
_TOKEN_RULE = re.compile(r"^(\w+): @(\S+)$", re.MULTILINE)


class Constrainer:
    """Compiles grammars for one vocabulary; making one costs about a second, so it is lazy."""

    def __init__(self, model: Model):
        self._model = model
        self._tokenizer: LLTokenizer | None = None
        self._compiled: dict[str, LLMatcher] = {}

    def start(self, lark: str, seen: str) -> Constraint | None:
        """A constraint for `lark` that already stands behind the text `seen`.

        None when `seen` is no beginning of it, or the grammar is more than llguidance takes (it
        may have a whole file in it), or has tags that the vocabulary lacks: the text stays free,
        and its reader decides.

        Raises:
            IngleError: the grammar is wrong (a bug of ours).
        """
        tokenizer = self._tokenizer or lltokenizer_from_vocab(self._model.vocab)
        self._tokenizer = tokenizer
        matcher = self._compile(lark, tokenizer).deep_copy()
        if matcher.is_error():
            if _LIMITS.search(matcher.get_error()):
                return None
            raise IngleError(f"cannot compile a call grammar: {matcher.get_error()}")
        if seen and not matcher.consume_tokens(tokenizer.tokenize_str(seen)):
            return None
        return Constraint(matcher, self._model.n_vocab)

    def _compile(self, lark: str, tokenizer: LLTokenizer) -> LLMatcher:
        found = self._compiled.pop(lark, None)
        if found is None:
            # It says on stderr what it says in get_error() too.
            found = LLMatcher(tokenizer, self._numbered(lark), log_level=0)
        self._compiled[lark] = found
        if len(self._compiled) > MOST_COMPILED:
            del self._compiled[next(iter(self._compiled))]
        return found

    def _numbered(self, lark: str) -> str:
        """The grammar with the numbers of its control tokens; one that is no token is spelled."""

        def rule(found: re.Match[str]) -> str:
            tokens = self._model.tokenize(found[2], control=True)
            body = f"<[{tokens[0]}]>" if len(tokens) == 1 else json.dumps(found[2])
            return f"{found[1]}: {body}"

        found: str = LLMatcher.grammar_from_lark(_TOKEN_RULE.sub(rule, lark))
        return found


class Constraint:
    """One running match."""

    def __init__(self, matcher: LLMatcher, n_vocab: int):
        self._matcher = matcher
        self._n_vocab = n_vocab

    def allows(self, token: int) -> bool:
        return bool(self._matcher.validate_tokens([token]) == 1)

    def mask(self, logits: npt.NDArray[np.float32]) -> None:
        """Set the logits of all tokens that may not follow to minus infinity, in place."""
        words = np.frombuffer(self._matcher.compute_bitmask(), dtype=np.uint8)
        if self._matcher.is_error():
            return  # a limit of the library: from here on the text is free
        allowed = np.unpackbits(words, bitorder="little", count=self._n_vocab)
        logits[allowed == 0] = -np.inf

    def accept(self, token: int) -> None:
        self._matcher.consume_token(token)

    def done(self) -> bool:
        """Nothing may follow any more."""
        return bool(self._matcher.is_stopped())
