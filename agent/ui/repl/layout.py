"""What stands below the scrollback: live lines, a question, the queue, the prompt, completions,
the status line. Small windows only; none of them needs more than a line to exist."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition, Filter, has_completions, is_done, is_searching
from prompt_toolkit.formatted_text import StyleAndTextTuples
from prompt_toolkit.layout import ConditionalContainer, HSplit, Layout, Window
from prompt_toolkit.layout.controls import BufferControl, FormattedTextControl, SearchBufferControl
from prompt_toolkit.layout.dimension import Dimension
from prompt_toolkit.layout.menus import CompletionsMenuControl
from prompt_toolkit.layout.processors import (
    BeforeInput,
    HighlightIncrementalSearchProcessor,
    HighlightSelectionProcessor,
)

Fragments = Callable[[], StyleAndTextTuples]


@dataclass(frozen=True)
class Parts:
    """Where the windows get their text; `rows` is the height of the terminal."""

    live: Fragments
    question: Fragments
    queue: Fragments
    status: Fragments
    prompt: Fragments
    asking: Callable[[], bool]
    rows: Callable[[], int]


def make_layout(parts: Parts, draft: Buffer, reason: Buffer) -> tuple[Layout, Window, Window]:
    """The layout, the window of the draft and that of the reason for a no."""
    asking = Condition(parts.asking)
    search = SearchBufferControl(
        input_processors=[BeforeInput("search: ", style="class:dim")], ignore_case=True
    )
    processors = [HighlightIncrementalSearchProcessor(), HighlightSelectionProcessor()]
    control = BufferControl(
        buffer=draft, search_buffer_control=search, input_processors=processors,
        preview_search=True,
    )  # fmt: skip

    def tall() -> Dimension:
        return Dimension(min=1, max=max(1, parts.rows() // 2))

    draft_window = Window(
        control, height=tall, wrap_lines=True, dont_extend_height=True,
        get_line_prefix=lambda line, wrap: parts.prompt() if not line and not wrap else "  ",
    )  # fmt: skip
    reason_window = Window(
        BufferControl(buffer=reason, input_processors=[BeforeInput("why not? ", "class:bold")]),
        height=Dimension(min=1, max=3), wrap_lines=True, dont_extend_height=True,
    )  # fmt: skip
    menu = Window(
        CompletionsMenuControl(), height=Dimension(min=1, max=8), dont_extend_height=True,
        style="class:completion-menu",
    )  # fmt: skip
    rows = HSplit(
        [
            _text(parts.live, Condition(lambda: bool(parts.live()))),
            _text(parts.question, asking),
            _text(parts.queue, Condition(lambda: bool(parts.queue()))),
            ConditionalContainer(draft_window, filter=~asking),
            ConditionalContainer(reason_window, filter=asking & _focused(reason)),
            ConditionalContainer(Window(search, height=1), filter=is_searching),
            ConditionalContainer(menu, filter=has_completions & ~asking & ~is_done),
            _text(parts.status, ~is_done),
        ]
    )
    return Layout(rows, focused_element=draft_window), draft_window, reason_window


def _focused(buffer: Buffer) -> Condition:
    from prompt_toolkit.application import get_app

    return Condition(lambda: get_app().layout.current_buffer is buffer)


def _text(fragments: Fragments, when: Filter) -> ConditionalContainer:
    window = Window(
        FormattedTextControl(fragments), dont_extend_height=True, wrap_lines=False,
        height=Dimension(min=0),
    )  # fmt: skip
    return ConditionalContainer(window, filter=when)
