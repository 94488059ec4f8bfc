"""From what is to be said to lines for a terminal: styles, Markdown, code, diffs.

Everything that comes in is raw; everything that comes out is safe: what rich makes of a text is
made safe once more, since Markdown can name any character by its number.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from agent.ui.calls import Line
from agent.ui.escape import safe
from agent.ui.repl.theme import THEMES, Theme, sgr
from agent.ui.terminal import wrap

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.markdown import Markdown
    from rich.text import Text

    from agent.ui.context_view import Picture

TAB = 4
# Colouring takes time for each line; nobody reads colours in what is longer.
MOST_COLOURED = 400


@dataclass(frozen=True)
class Painter:
    """Makes lines of at most `width` cells, with SGR codes where `colour` allows them."""

    width: int = 80
    colour: bool = True
    theme: Theme = THEMES["dark"]

    def line(self, spans: Line) -> str:
        """One line of spans as :mod:`agent.ui.calls` makes them, which are safe already."""
        return "".join(self.span(text, style) for text, style in spans)

    def span(self, text: str, style: str) -> str:
        codes = sgr(getattr(self.theme, style, "")) if style else ""
        if not (self.colour and codes and text):
            return text
        return f"\x1b[{codes}m{text}\x1b[0m"

    def markdown(self, text: str) -> list[str]:
        """One or more blocks of Markdown."""
        made = _markdown()
        made.parsed = _parser().parse(safe(text).expandtabs(TAB))
        for token in made.parsed:
            for part in token.children or ():
                if part.type == "softbreak":  # what a model writes on lines of its own stays there
                    part.type = "hardbreak"
        return _trimmed(self._rendered(made))

    def code(self, text: str, language: str, skip: int = 0, indent: str = "  ") -> list[str]:
        """Code with colours, without its first `skip` lines; long lines go on below."""
        clean = safe(text).expandtabs(TAB)
        lines = self._coloured(clean, language)[skip:]
        width = max(1, self.width - len(indent))
        return [indent + piece for line in lines for piece in self._broken(line, width)]

    def _coloured(self, text: str, language: str) -> list[Text]:
        from rich.syntax import Syntax
        from rich.text import Text

        if not self.colour or not language or text.count("\n") > MOST_COLOURED:
            return [Text(line) for line in text.split("\n")]
        made = Syntax("", language, theme=self.theme.code, background_color="default")
        highlighted = made.highlight(text)
        highlighted.rstrip()
        lines = list(highlighted.split("\n", allow_blank=True))
        # The lexer drops empty lines at the end, which are counted where code comes in pieces.
        return [*lines, *(Text("") for _ in range(text.count("\n") + 1 - len(lines)))]

    def _broken(self, line: Text, width: int) -> list[str]:
        if line.cell_len <= width:
            return [self._ansi(line)]
        cuts, at = [], 0
        for piece in wrap(line.plain, width)[:-1]:
            at += len(piece)
            cuts.append(at)
        return [self._ansi(piece) for piece in line.divide(cuts)]

    def _ansi(self, line: Text) -> str:
        if not self.colour or not line.spans:
            return line.plain
        line.end = ""
        return "\n".join(self._rendered(line, width=1 << 16))

    def diff_line(self, sign: str, text: str, language: str) -> list[str]:
        """One line of a diff: its sign in colour, its text with the colours of its language."""
        style = {"+": "green", "-": "red"}.get(sign, "dim")
        width = max(1, self.width - 5)
        if sign == " ":
            pieces = [self.span(piece, "dim") for piece in wrap(text, width)]
        else:
            pieces = [
                piece
                for line in self._coloured(text, language)[:1]
                for piece in self._broken(line, width)
            ]
        return [
            f"    {self.span(' ' if n else sign, style)}{piece}" for n, piece in enumerate(pieces)
        ]

    def picture(self, picture: Picture) -> list[str]:
        """What fills the model's window: colours where they are allowed, letters where not."""
        from agent.ui.context_view import draw

        console = self._console(max(2, self.width))
        return self._rendered(draw(picture, console))

    def _rendered(self, made: RenderableType, width: int = 0) -> list[str]:
        console = self._console(width or max(2, self.width))
        console.print(_Safe(made), end="", soft_wrap=bool(width))
        text = console.file.getvalue()  # type: ignore[attr-defined]
        return [line.rstrip() for line in text.rstrip("\n").split("\n")]

    def _console(self, width: int) -> Console:
        from rich.console import Console
        from rich.theme import Theme as RichTheme

        styles = {"markdown.code": "cyan", "markdown.code_block": "cyan"}
        return Console(
            file=io.StringIO(),
            force_terminal=self.colour,
            no_color=not self.colour,
            width=width,
            height=100,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
            theme=RichTheme(styles),
            _environ={} if not self.colour else None,
        )


class _Safe:
    """What a renderable makes, each piece of it safe for a terminal."""

    def __init__(self, made: RenderableType) -> None:
        self._made = made

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.segment import Segment

        for segment in console.render(self._made, options):
            if not segment.control:
                yield Segment(safe(segment.text), segment.style)


def _markdown() -> Markdown:
    """An empty Markdown whose headings stand at the left, where scrolling text is read."""
    from rich.markdown import Heading, Markdown
    from rich.text import Text

    class LeftHeading(Heading):
        def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
            self.text.justify = "left"
            yield self.text if isinstance(self.text, Text) else Text(self.text)

    class Left(Markdown):
        elements: ClassVar = {**Markdown.elements, "heading_open": LeftHeading}

    return Left("", hyperlinks=False)


def _parser() -> Any:
    """CommonMark with tables; HTML is text like any other, since nobody renders it."""
    from markdown_it import MarkdownIt

    return MarkdownIt("commonmark", {"html": False}).enable("table").enable("strikethrough")


def _trimmed(lines: list[str]) -> list[str]:
    while lines and not lines[0].strip():
        del lines[0]
    while lines and not lines[-1].strip():
        del lines[-1]
    return lines


def language_of(path: str) -> str:
    """What a file's name says of its language; '' when nothing."""
    from rich.syntax import Syntax

    found = Syntax.guess_lexer(path) if path else ""
    return "" if found == "default" else found
