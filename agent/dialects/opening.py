"""Begins a message of a model that has to say something before it calls anything more."""

from __future__ import annotations

from dataclasses import dataclass

from agent.dialects.base import Part, TurnParser
from agent.dialects.thinking import ThinkingParser
from agent.messages import Constrain, Directive, Release

# Not the beginning of a call or a fence, in any form that the families read.
WORDS = r"start: /[^\s`<{\[](?s:.)*/" + "\n"


def words_first(usual: TurnParser) -> TurnParser:
    """The family's `usual` parser; the message begins with words, and calls may follow them.

    A model that may think first decides there.
    """
    return usual if isinstance(usual, ThinkingParser) else WordsFirst(usual)


@dataclass
class WordsFirst:
    """A :class:`agent.dialects.base.TurnParser`; only the first token is held to the grammar."""

    usual: TurnParser
    begun: bool = False

    def begin(self) -> Directive:
        return Constrain(WORDS)

    def feed(self, text: str) -> Directive:
        first, self.begun = not self.begun, True
        return self.usual.feed(text) or (Release() if first else None)

    def finish(self, complete: bool = True) -> None:
        self.usual.finish(complete)

    def take(self) -> list[Part]:
        return self.usual.take()
