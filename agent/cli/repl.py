"""`agent`: the REPL. What is heavy is imported behind the prompt, on the conversation's thread."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.errors import UsageError

if TYPE_CHECKING:
    from agent.commands.base import Command
    from agent.config import Folders
    from agent.settings import ModelSection
    from agent.terms import Loaded, Report, Setup, Terms
    from agent.ui.repl.settings import ReplSettings


@click.command()
@click.option("-m", "--model", default="", help="Catalogue name, path to a .gguf, or hf:….")
@click.option("-d", "--dir", default=".", help="The folder to work in.")
@click.option("--continue", "-c", "goes_on", is_flag=True, help="Go on with the last session here.")
@click.option("--resume", default="", metavar="ID", help="Go on with this session.")
@click.option("--check", default="", help="Work on each message until this command passes.")
@click.option("--ctx", type=click.IntRange(min=512), help="Context length in tokens.")
@click.option("--approval", type=click.Choice(["ask", "auto", "never"]), default=None,
              help="What is asked: all that acts; what no sandbox holds; nothing.")  # fmt: skip
@click.option("--sandbox", type=click.Choice(["auto", "read-only", "workspace", "off"]),
              default="auto", help="Where commands may write; off: anywhere.")  # fmt: skip
@click.option("--trust", is_flag=True, help="Use this folder's own settings from now on.")
@click.option("--plain", is_flag=True, help="Plain lines, for screen readers.")
@click.option("--ephemeral", is_flag=True, help="Keep no session on disk.")
def chat(**given: Any) -> None:
    """Talk to the model in this folder: the same as `agent` alone."""
    if not terminal():
        raise UsageError(
            'this needs a terminal: for one task use agent do "..." (piped text is added to it)'
        )
    sys.exit(run(setup_for(given), settings_for(given)))


def terminal() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def run(setup: Setup, settings: ReplSettings) -> int:
    """Open the REPL and stay until the user leaves: the exit code."""
    import asyncio

    from agent.conversation import Conversation

    host = Conversation(setup, lambda: project_files(setup.folder))
    if settings.plain:
        from agent.ui.repl.plain import run_plain

        return run_plain(host)
    with no_echo():
        from agent.ui.repl.app import Repl
        from agent.ui.repl.output import open_output

        output = open_output()
        asyncio.run(Repl(host, settings, output).run())
    return 0


class no_echo:
    """Keys that are pressed before the prompt is there are kept, and not shown twice."""

    def __enter__(self) -> None:
        import termios

        self._before = termios.tcgetattr(sys.stdin.fileno())
        quiet = termios.tcgetattr(sys.stdin.fileno())
        quiet[3] &= ~(termios.ECHO | termios.ICANON)
        quiet[0] &= ~termios.ICRNL
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, quiet)

    def __exit__(self, *error: object) -> None:
        import termios

        with suppress(termios.error):  # the terminal is gone
            termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, self._before)


def setup_for(given: dict[str, Any]) -> Setup:
    """What the options say. Raises UsageError, ConfigError."""
    from agent.config import Folders
    from agent.terms import Setup

    folder = Path(given["dir"])
    if not folder.is_dir():
        raise UsageError(f"{folder} is not a folder: give an existing one with --dir")
    folder = folder.resolve()
    if given["resume"] and given["ephemeral"]:
        raise UsageError("an ephemeral session is not kept, so it cannot go on with an earlier one")
    folders = Folders.from_env()

    return Setup(
        folder,
        None if given["ephemeral"] else folders.state,
        lambda decided: terms_for(folder, folders, given, decided),
        commands_for(folder, folders),
        given["model"],
        given["resume"] or ("here" if given["goes_on"] else ""),
        given["check"],
        lambda: theme_names(folders.config / "themes"),
        folders,
    )


def terms_for(folder: Path, folders: Folders, given: dict[str, Any], decided: bool | None) -> Terms:
    """Settings, trust and policy of the folder. Raises ConfigError."""
    from agent.cli.permissions import find_rights
    from agent.cli.stats import read_prices
    from agent.hooks import read_hooks
    from agent.policy.trust import record
    from agent.terms import Terms

    flags: dict[str, dict[str, Any]] = {
        "model": {"ctx": given["ctx"]},
        "permissions": {"approval": given["approval"]},
        "sandbox": {"mode": None if given["sandbox"] == "auto" else given["sandbox"]},
    }
    if decided is not None:
        record(folder, folders.state, trusted=decided)
    rights = find_rights(folders, folder, flags, trust=given["trust"])
    settings, trust = rights.loaded.settings, rights.trust
    asked = trust.state == "unknown" and trust.digest
    return Terms(
        lambda name, report: load_model(
            name or settings.model.name or "", report, settings.model, keep=not given["ephemeral"]
        ),
        rights.policy,
        rights.grants,
        rights.check,
        read_hooks(settings.hooks.model_dump()),
        read_prices(folders),
        trust.files if asked else (),
        rights.notices,
    )


def settings_for(given: dict[str, Any]) -> ReplSettings:
    """What has to be known before the prompt: the [ui] of the user's own settings.

    Read here without being checked, which takes longer than the prompt may; what is wrong with the
    file is said behind it.
    """
    from agent.config import Folders
    from agent.ui.repl.settings import ReplSettings

    folders = Folders.from_env()
    wanted = _ui_section(folders.config / "config.toml")
    dumb = os.environ.get("TERM", "") in ("dumb", "")
    theme = os.environ.get("INGLE_THEME") or wanted.get("theme")
    return ReplSettings(
        history=folders.state / "history.jsonl",
        themes=folders.config / "themes",
        config=folders.config / "config.toml",
        theme=theme if isinstance(theme, str) and theme else "dark",
        keys="vi" if wanted.get("editing") == "vi" else "emacs",
        plain=bool(given["plain"]) or wanted.get("plain") is True or dumb,
        colour=not os.environ.get("NO_COLOR"),
    )


def _ui_section(path: Path) -> dict[str, Any]:
    import tomllib

    try:
        ui = tomllib.loads(path.read_text("utf-8")).get("ui", {})
    except (OSError, ValueError):
        return {}
    return ui if isinstance(ui, dict) else {}


def theme_names(folder: Path) -> list[str]:
    from agent.ui.repl.theme import names

    return names(folder)


def commands_for(folder: Path, folders: Folders) -> Callable[[], Sequence[Command]]:
    """The built-in commands, the user's and, where the folder is trusted, the project's.

    They are looked up each time, so that a file that is written now can be used now.
    """

    def commands() -> Sequence[Command]:
        from agent.commands.builtin import BUILTIN
        from agent.commands.custom import Source, custom_commands
        from agent.policy.trust import look

        own = folders.config
        sources = [Source(own / "commands", own / "skills", "yours")]
        if look(folder, folders.state).trusted:
            here = folder / ".ingle"
            sources.append(Source(here / "commands", here / "skills", "project"))
        taken = [command.name for command in BUILTIN]
        return [*BUILTIN, *custom_commands(sources, taken)]

    return commands


def load_model(name: str, report: Report, wanted: ModelSection, *, keep: bool) -> Loaded:
    """From the name of a model to an engine that can be loaded. Raises IngleError."""
    from agent.cli.build import build
    from agent.config import Folders, is_offline
    from agent.events import Notice, WorkProgress
    from agent.loading import name_of
    from agent.models.catalogue import load_catalogue
    from agent.models.plan import Wish
    from agent.models.resolve import resolve
    from agent.terms import Loaded

    folders = Folders.from_env()

    def progress(done: int, total: int, note: str, /) -> None:
        report(WorkProgress("download", done, total) if total else Notice(note))

    found = resolve(
        name or load_catalogue().default, folders.models, offline=is_offline(), progress=progress
    )
    wish = Wish(wanted.ctx, wanted.kv_type or "auto", wanted.gpu_layers)
    built = build(
        found, wish, folders,
        temperature=wanted.temperature, keep=keep, say=lambda text: report(Notice(text)),
    )  # fmt: skip
    return Loaded(built.engine, name_of(found), built.sampling, built.tries, built.plan)


def project_files(folder: Path) -> Sequence[str]:
    """Every file that the project's ignore files leave, relative to it."""
    import subprocess

    from tools.ripgrep import ALWAYS, find_rg

    rg = find_rg()
    if rg is None:
        return []
    listed = subprocess.run(
        [rg, *ALWAYS, "--files", "--glob=!.git", "--", "."],
        cwd=folder, env={"LANG": "C.UTF-8"}, stdin=subprocess.DEVNULL, capture_output=True,
        check=False,
    )  # fmt: skip
    lines = listed.stdout.decode("utf-8", "replace").splitlines()
    return sorted(line.removeprefix("./") for line in lines)
