"""Begins a message of a model that has to say something before it calls anything."""

from __future__ import annotations

from dataclasses import dataclass

from agent.dialects.base import Part, TurnParser
from agent.dialects.thinking import ThinkingParser
from agent.messages import Constrain, Directive, Release

# Not the beginning of a call or a fence, in any form that the families read.
WORDS = r"start: /[^\s`<{\[](?s:.)*/" + "\n"
# Nor the path of a file: there is none that is talked about.
TALK = r"start: /[^\s`<{\[.\/_\\]+[.!?,;:)'\"]*(\s(?s:.)*)?/" + "\n"


def words_first(usual: TurnParser, grammar: str) -> TurnParser:
    """The family's `usual` parser; the message begins as `grammar` says, and calls may follow.

    A model that may think first decides there.
    """
    return usual if isinstance(usual, ThinkingParser) else WordsFirst(usual, grammar)


@dataclass
class WordsFirst:
    """A :class:`agent.dialects.base.TurnParser`; only the first word is held to the grammar."""

    usual: TurnParser
    grammar: str
    begun: bool = False

    def begin(self) -> Directive:
        return Constrain(self.grammar)

    def feed(self, text: str) -> Directive:
        ends = not self.begun and any(map(str.isspace, text))
        self.begun = self.begun or ends
        return self.usual.feed(text) or (Release() if ends else None)

    def finish(self, complete: bool = True) -> None:
        self.usual.finish(complete)

    def take(self) -> list[Part]:
        return self.usual.take()
