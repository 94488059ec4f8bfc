"""What the REPL asks of the rest of the program, and what comes back: plain data, two protocols.

The host works on a thread of its own. Its methods return at once and may be called from the thread
of the user interface; everything that comes of them arrives as a :data:`News` at :class:`Screen`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent.events import Event

if TYPE_CHECKING:
    from agent.ui.context_view import Picture


@dataclass(frozen=True)
class Paste:
    """Pasted text that is too long to be shown; `label` stands for it in the message."""

    label: str
    text: str


@dataclass(frozen=True)
class Message:
    """What the user sends: a text, the files that it names with @, and the pastes in it.

    `id` is the sender's own name for it, where the sender is a program.
    """

    text: str
    files: tuple[Path, ...] = ()
    pastes: tuple[Paste, ...] = ()
    id: str = ""


@dataclass(frozen=True)
class CommandInfo:
    """A slash command as the user sees it; `argument` is a pattern such as `[focus]`, or ''."""

    name: str
    argument: str
    help: str


@dataclass(frozen=True)
class Status:
    """What the status line shows. `state` is 'loading', 'ready', 'working' or 'failed'.

    `used` of `n_ctx` tokens of the context are taken; `queued` are texts that wait for their turn.
    """

    state: str = "loading"
    model: str = ""
    mode: str = ""
    n_ctx: int = 0
    used: int = 0
    queued: tuple[str, ...] = ()


@dataclass(frozen=True)
class Began:
    """A message of the user is what the model works on now."""

    message: Message


@dataclass(frozen=True)
class Said:
    """Something that is said outside the conversation, such as the answer to a command.

    `form` is 'lines', 'markdown', 'diff', 'error', 'note' (dimmed) or 'echo' (what was typed).
    `exit_code` is what a command that ends with this error exits with.
    """

    text: str
    form: str = "lines"
    exit_code: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Drawn:
    """A picture of the model's window, which takes the width and the colours of the screen."""

    picture: Picture


@dataclass(frozen=True)
class StatusChanged:
    status: Status


@dataclass(frozen=True)
class Wish:
    """Something that only the user interface can do.

    `what` is 'exit', 'copy' (`value` is the text), 'theme' (`value` is its name), 'clear' or
    'draft' (`value` becomes what stands at the prompt).
    """

    what: str
    value: str = ""


@dataclass(frozen=True)
class Choice:
    """One answer that the user can give to a question: a key, and what it means."""

    key: str
    label: str
    needs_reason: bool = False


@dataclass(frozen=True)
class Question:
    """Something that the user has to decide; every text is raw and escaped when it is shown.

    `details` are (name, text) pairs such as ('rule', 'ask for network'); `diff` is a unified diff
    or ''. The first choice is never taken by itself.
    """

    title: str
    command: str
    choices: tuple[Choice, ...]
    details: tuple[tuple[str, str], ...] = ()
    diff: str = ""


@dataclass(frozen=True)
class Decision:
    """The key of the choice, and the reason where one was given."""

    key: str
    reason: str = ""


@dataclass(frozen=True)
class Asked:
    """A question; the host's thread waits until `answer` has its result."""

    question: Question
    answer: Future[Decision] = field(compare=False)


News = Event | Began | Said | Drawn | StatusChanged | Wish | Asked


class Screen(Protocol):
    """Where news go; callable from any thread."""

    def show(self, news: News) -> None: ...


class Host(Protocol):
    """The rest of the program, as the REPL knows it."""

    @property
    def root(self) -> Path:
        """The folder that is worked in."""

    @property
    def commands(self) -> Sequence[CommandInfo]:
        """All slash commands, those of the user included."""

    @property
    def servers(self) -> Mapping[str, str]:
        """What a message can name as @server besides paths, and a word on each."""

    def start(self, screen: Screen) -> None:
        """Begin to load; messages that are submitted before it is done wait for it."""

    def submit(self, message: Message, *, now: bool = False) -> None:
        """Queue a message; with `now` it goes before all others and ends what is being done."""

    def take_back(self) -> str:
        """The text of the message that was queued last, out of the queue again; '' if none."""

    def command(self, name: str, argument: str) -> None:
        """Run a slash command."""

    def note(self, command: str, output: str, exit_code: int) -> None:
        """Let the model see with the next message what a command of the user printed."""

    def interrupt(self) -> None:
        """End what is being done, and keep what is there of it."""

    def prepare(self, draft: Message) -> None:
        """The draft begins with this for some time: it may be read already. '' says nothing."""

    def next_mode(self) -> None:
        """The next approval mode."""

    def files(self) -> Sequence[str]:
        """Paths of the project's files relative to the root. Takes long: not on the UI's thread."""

    def close(self) -> None:
        """End everything in order and wait for it."""
