"""Completion of slash commands and of @paths while they are typed."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from agent.ui.escape import safe_line
from agent.ui.repl.host import CommandInfo
from agent.ui.repl.paths import PathIndex

_AT = re.compile(r'(?:^|(?<=[\s(]))@("?)([^\s"@]*)$')


class ReplCompleter(Completer):
    """`commands` and `servers` are asked each time; `files` once, on a thread, when the first @ is
    typed."""

    def __init__(
        self,
        commands: Callable[[], Sequence[CommandInfo]],
        servers: Callable[[], Mapping[str, str]],
        files: Callable[[], Sequence[str]],
    ) -> None:
        self._commands = commands
        self._servers = servers
        self._files = files
        self._index: PathIndex | None = None
        self._lock = threading.Lock()

    def forget_files(self) -> None:
        """Files may have come and gone: the list is made again when it is needed."""
        self._index = None

    def get_completions(
        self,
        document: Document,
        complete_event: CompleteEvent,  # noqa: ARG002
    ) -> Iterable[Completion]:
        """Runs on a thread of its own (ThreadedCompleter)."""
        before = document.text_before_cursor
        if before.startswith("/") and not any(c.isspace() for c in before):
            yield from self._command_completions(before[1:])
        elif found := _AT.search(before):
            if not found[1]:
                yield from self._server_completions(found[2])
            yield from self._path_completions(found[2], len(found[0]))

    def _command_completions(self, typed: str) -> Iterable[Completion]:
        for command in self._commands():
            if command.name.startswith(typed):
                # What takes an argument is followed by it, and not sent at once.
                yield Completion(
                    f"/{command.name}{' ' if command.argument else ''}",
                    start_position=-len(typed) - 1,
                    display=f"/{command.name} {command.argument}".rstrip(),
                    display_meta=safe_line(command.help),
                )

    def _server_completions(self, typed: str) -> Iterable[Completion]:
        for name, meaning in self._servers().items():
            if name.startswith(typed):
                yield Completion(
                    f"@{name}", start_position=-len(typed) - 1, display_meta=safe_line(meaning)
                )

    def _path_completions(self, typed: str, length: int) -> Iterable[Completion]:
        with self._lock:
            if self._index is None:
                self._index = PathIndex(self._files())
            index = self._index
        for path in index.find(typed):
            text = f'@"{path}"' if " " in path else f"@{path}"
            yield Completion(text, start_position=-length, display=safe_line(path))
