"""What only the user interface can do for a command: copy, colours, the draft, leaving."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from prompt_toolkit.document import Document

from agent.errors import IngleError
from agent.ui.repl.host import Said, Wish
from agent.ui.repl.panel import style_of
from agent.ui.repl.saved import save_ui
from agent.ui.repl.theme import find_theme

if TYPE_CHECKING:
    from agent.ui.repl.app import Repl


def grant(repl: Repl, wish: Wish) -> None:
    """Do it; one that is not known is let by."""
    match wish.what:
        case "exit":
            repl.leave()
        case "copy":
            data = base64.b64encode(wish.value.encode("utf-8")).decode("ascii")
            repl.output.write_raw(f"\x1b]52;c;{data}\x07")
            repl.output.flush()
        case "clear":
            repl.app.renderer.clear()
        case "draft":
            repl.draft.document = Document(wish.value)
        case "theme":
            _set_theme(repl, wish.value)
        case _:
            pass


def _set_theme(repl: Repl, name: str) -> None:
    try:
        repl.theme = find_theme(name, repl.settings.themes)
    except IngleError as error:
        repl.view.show(Said(str(error), "error"))
        return
    repl.view.painter = repl.make_painter()
    repl.app.style = style_of(repl.theme, colour=repl.settings.colour)
    try:
        save_ui(repl.settings.config, "theme", name)
    except IngleError as error:
        repl.view.show(Said(str(error), "error"))
        return
    repl.view.show(Said(f"the theme is {name} from now on", "note"))
