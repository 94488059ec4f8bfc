"""What was typed before, in a file that every REPL of this user appends to."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit.history import History

MOST_ENTRIES = 5_000
MOST_BYTES = 4_000_000  # of the file, before it is cut
MOST_ENTRY = 20_000  # characters; a longer one is not kept


class HistoryFile(History):
    """One JSON object a line: `text`, and `time` in seconds since 1970.

    `problem` is '' or a line for the user: a file that cannot be read is set aside, never deleted.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.problem = ""
        self._entries = self._read()

    def load_history_strings(self) -> Iterable[str]:
        """The newest first, each once in a row."""
        return reversed(self._entries)

    def store_string(self, string: str) -> None:
        """Append one entry; a file that cannot be written costs the history and nothing else."""
        if not string.strip() or len(string) > MOST_ENTRY:
            return
        line = json.dumps({"text": string, "time": round(time.time())})
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            file = os.open(self.path, flags, 0o600)
            try:
                os.write(file, f"{line}\n".encode("ascii"))
            finally:
                os.close(file)
        except OSError:
            return

    def _read(self) -> list[str]:
        try:
            data = self.path.read_bytes()
            entries = [_text(line) for line in data.decode("utf-8").splitlines() if line.strip()]
        except FileNotFoundError:
            return []
        except OSError as error:
            self.problem = f"the history {self.path} cannot be read: {error.strerror}"
            return []
        except ValueError:
            self._set_aside()
            return []
        if len(data) > MOST_BYTES:
            self._shorten(data.splitlines(keepends=True))
        kept = entries[-MOST_ENTRIES:]
        return [text for n, text in enumerate(kept) if n == 0 or text != kept[n - 1]]

    def _set_aside(self) -> None:
        aside = self.path.with_name(f"{self.path.name}.broken-{time.strftime('%Y%m%d-%H%M%S')}")
        try:
            self.path.rename(aside)
            self.problem = f"the history {self.path} is broken; it was set aside as {aside.name}"
        except OSError as error:
            self.problem = f"the history {self.path} is broken: {error.strerror}"

    def _shorten(self, lines: list[bytes]) -> None:
        new = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        try:
            new.write_bytes(b"".join(lines[-MOST_ENTRIES // 2 :]))
            new.chmod(0o600)
            new.replace(self.path)
        except OSError as error:
            self.problem = f"the history {self.path} cannot be cut: {error.strerror}"


def _text(line: str) -> str:
    entry = json.loads(line)
    if not isinstance(entry, dict) or not isinstance(entry.get("text"), str):
        raise ValueError("no entry")
    text: str = entry["text"]
    return text
