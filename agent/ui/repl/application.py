"""The prompt-toolkit application of the REPL."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prompt_toolkit.application import Application
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.input import Input
from prompt_toolkit.output.color_depth import ColorDepth

from agent.ui.repl.keys import make_keys
from agent.ui.repl.layout import Parts, make_layout
from agent.ui.repl.panel import Panel, style_of

if TYPE_CHECKING:
    from agent.ui.repl.app import Repl


def make_application(repl: Repl, keyboard: Input | None) -> Application[None]:
    """The windows, keys and colours; `keyboard` is None for the terminal's own."""
    panel = Panel(repl)
    parts = Parts(
        panel.live, panel.question, panel.queue, panel.status_line, panel.prompt,
        lambda: repl.asking.current is not None, repl.rows,
    )  # fmt: skip
    layout, _, _ = make_layout(parts, repl.draft, repl.reason)
    colour = repl.settings.colour
    app: Application[None] = Application(
        layout,
        style=style_of(repl.theme, colour=colour),
        key_bindings=make_keys(repl),
        full_screen=False,
        mouse_support=False,
        editing_mode=EditingMode.VI if repl.settings.keys == "vi" else EditingMode.EMACS,
        erase_when_done=True,
        output=repl.output,
        input=keyboard,
        color_depth=None if colour else ColorDepth.DEPTH_1_BIT,
        enable_page_navigation_bindings=False,
        min_redraw_interval=0.0,
    )
    # Esc alone is a key here, and nobody wants to wait for it.
    app.ttimeoutlen, app.timeoutlen = 0.03, 0.25
    return app
