"""What the user can set about the REPL itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal


@dataclass(frozen=True)
class ReplSettings:
    """`plain` is for screen readers and terminals that cannot move the cursor.

    `history` is the file of what was typed, `themes` the folder of the user's themes, and `config`
    their config.toml.
    """

    history: Path
    themes: Path
    config: Path
    theme: str = "dark"
    keys: Literal["emacs", "vi"] = "emacs"
    plain: bool = False
    colour: bool = True
