"""What the few lines below the scrollback show at this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.styles import Style

from agent.ui.escape import safe_line
from agent.ui.repl.asking import choice_lines
from agent.ui.repl.theme import Theme, toolkit
from agent.ui.terminal import cut

if TYPE_CHECKING:
    from agent.ui.repl.app import Repl

MOST_LIVE = 10
MOST_QUEUED = 3


class Panel:
    """Reads the REPL; changes nothing."""

    def __init__(self, repl: Repl) -> None:
        self._repl = repl

    def live(self) -> StyleAndTextTuples:
        self._repl.view.resize(self._repl.width())
        rows = min(MOST_LIVE, max(1, self._repl.rows() // 3))
        return fragments(self._repl.view.live(rows))

    def question(self) -> StyleAndTextTuples:
        asked = self._repl.asking.current
        if asked is None:
            return []
        style = "bold" if self._repl.asking.armed else "dim"
        return fragments([(style, line) for line in choice_lines(asked, self._repl.width() - 1)])

    def queue(self) -> StyleAndTextTuples:
        queued = self._repl.status.queued
        lines = [
            ("dim", cut(f"⋯ {safe_line(t)}", self._repl.width() - 1)) for t in queued[:MOST_QUEUED]
        ]
        if len(queued) > MOST_QUEUED:
            lines.append(("dim", f"⋯ and {len(queued) - MOST_QUEUED} more"))
        return fragments(lines)

    def status_line(self) -> StyleAndTextTuples:
        width = max(1, self._repl.width() - 1)
        if self._repl.hint:
            return fragments([("yellow", cut(safe_line(self._repl.hint), width))])
        return fragments([("dim", self._repl.view.meter.line(self._repl.status, width))])

    def prompt(self) -> StyleAndTextTuples:
        return [("class:user", "❯ ")]


def style_of(theme: Theme, *, colour: bool) -> Style:
    names = ("red", "green", "yellow", "cyan", "dim", "bold", "user")
    styles = {name: toolkit(getattr(theme, name)) if colour else "" for name in names}
    menu = {
        "completion-menu": "noinherit",
        "completion-menu.completion": "noinherit",
        "completion-menu.completion.current": "noinherit reverse",
        "completion-menu.meta.completion": "noinherit dim",
        "completion-menu.meta.completion.current": "noinherit reverse",
        "search": "noinherit", "incsearch": "reverse",
    }  # fmt: skip
    return Style.from_dict({**styles, **menu})


def fragments(lines: list[tuple[str, str]]) -> StyleAndTextTuples:
    made: StyleAndTextTuples = []
    for number, (style, text) in enumerate(lines):
        if number:
            made.append(("", "\n"))
        made.append((f"class:{style}" if style else "", text))
    return made
