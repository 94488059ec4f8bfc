"""The files of a session: saved around each turn, compared, and brought back with what was said."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from agent.events import Event, FilesSaved, Notice
from tools.checkpoints.base import CheckpointFailed, Saved
from tools.checkpoints.store import Checkpoints

SHOWN = 3


def checkpoints_folder(state: Path, root: Path) -> Path:
    """Where the checkpoints of the folder `root` are: all of its sessions share them."""
    name = hashlib.sha256(bytes(root.resolve())).hexdigest()[:20]
    return state / "checkpoints" / name


class Saver:
    """Saves the folder before the first call of a turn that can write, and at the turn's end."""

    def __init__(self, checkpoints: Checkpoints, emit: Callable[[Event], None]) -> None:
        self._checkpoints = checkpoints
        self._emit = emit
        self._before = ""
        self._tried = False
        self._told = False

    @classmethod
    def at(cls, state: Path, root: Path, emit: Callable[[Event], None]) -> Saver:
        """The saver of the folder `root`, with its checkpoints below the folder `state`."""
        return cls(Checkpoints(checkpoints_folder(state, root), root), emit)

    async def before(self) -> None:
        """To be awaited before each call that can write; does something once a turn."""
        if self._tried:
            return
        self._tried = True
        saved = await self._save("before a turn")
        if saved is not None:
            self._before = saved.id
            self._emit(FilesSaved(saved.id))
            self._tell(saved)

    async def after(self) -> None:
        """At the end of the turn, however it ended."""
        before, self._before, self._tried = self._before, "", False
        saved = await self._save("after a turn") if before else None
        if saved is not None:
            # The reader of the events may have gone; the log has it all the same.
            with suppress(BrokenPipeError):
                self._emit(FilesSaved(before, saved.id))

    async def _save(self, label: str) -> Saved | None:
        try:
            return await asyncio.to_thread(self._checkpoints.save, label)
        except CheckpointFailed as error:
            self._say(f"what this turn changes cannot be undone: {error}")
            return None

    def _tell(self, saved: Saved) -> None:
        """Say once a session what is not saved; repositories inside of the folder are expected."""
        left = [path for path in saved.left_out if not path.endswith("/")]
        if left:
            some = ", ".join(left[:SHOWN]) + (", ..." if len(left) > SHOWN else "")
            self._say(
                f"{len(left) + saved.more:,} files are not saved for undo, since they are too "
                f"many, too large or unreadable: {some}"
            )

    def _say(self, text: str) -> None:
        if not self._told:
            self._told = True
            with suppress(BrokenPipeError):
                self._emit(Notice(text))
