"""The command `agent`: finds the subcommand, and turns every error into one line and a code."""

from __future__ import annotations

import difflib
import errno
import importlib
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from agent.cli.help import Context, fitting, width
from agent.errors import ExitCode, IngleError
from agent.ui.escape import safe_line
from agent.ui.guard import guard_streams

# Where each command is, and its line in the help: nothing is imported to show the help.
COMMANDS = {
    "do": ("agent.cli.do:do", "Do one task in this folder, and stop."),
    "chat": ("agent.cli.repl:chat", "Talk to the model: the same as no command."),
    "models": ("agent.cli.models:models", "List, fetch and remove model files."),
    "context": ("agent.cli.context:context", "Show what fills the model's window in a session."),
    "sessions": ("agent.cli.sessions:sessions", "Find, show, copy and remove sessions."),
    "stats": ("agent.cli.stats:stats", "Show what all sessions took."),
    "diff": ("agent.cli.diff:diff", "Show what the last turn changed."),
    "undo": ("agent.cli.undo:undo", "Take the last turn back."),
    "cache": ("agent.cli.cache:cache", "Show or remove the saved state of models."),
    "search": ("agent.cli.search:search", "Find code and documents of this project."),
    "index": ("agent.cli.index:index", "Index this project for search."),
    "mcp": ("agent.cli.mcp:mcp", "Servers whose tools the model can use."),
    "bench": ("agent.cli.bench:bench", "Measure the engine on this machine."),
    "trust": ("agent.cli.trust:trust", "Let a folder's own settings be used."),
    "doctor": ("agent.cli.doctor:doctor", "Find out what works on this machine."),
}

# What disks do by themselves.
NO_DEFECT = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)

# Options of `agent chat` that may stand without it.
CHAT_OPTIONS = (
    "-m", "--model", "-c", "--continue", "--resume", "-d", "--dir", "--check", "--ctx",
    "--approval", "--sandbox", "--trust", "--plain", "--ephemeral",
)  # fmt: skip


class LazyGroup(click.Group):
    """A group that imports a command when it is called."""

    context_class = Context

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0].split("=")[0] in CHAT_OPTIONS:
            args = ["chat", *args]
        return super().parse_args(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        return fitting(getattr(importlib.import_module(module), name))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(_unknown(args[0]), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _unknown(name: str) -> str:
    if len(name.split()) > 1:
        return 'a task needs the command do: agent do "..."'
    near = difflib.get_close_matches(name, COMMANDS, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(COMMANDS)}"
    return f"no command is called {name!r}: {hint}"


def _show_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    from importlib.metadata import version

    click.echo(f"ingle {version('ingle')}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    name="agent",
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def cli() -> None:
    """A coding assistant that runs a local model in its own process."""


def main() -> None:
    """Entry point of the console script."""
    _open_streams()
    _name_home()
    guard_streams(os.environ)
    code = run(sys.argv[1:])
    _flush()
    sys.exit(code)


def _open_streams() -> None:
    """Give a process that was started without stdin, stdout or stderr an empty one.

    Otherwise the next file that is opened, like the session's log, would get its number.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115, PTH123 - as long as we run


def _name_home() -> None:
    """Without a home folder whoever asks for it finds one that is not there, and works on."""
    try:
        Path.home()
    except RuntimeError:
        from agent.config import NO_HOME

        os.environ["HOME"] = str(NO_HOME)


def run(arguments: Sequence[str]) -> int:
    """Run the command line; the exit code. Errors are shown as one line on stderr."""
    try:
        return _invoke(list(arguments))
    except (KeyboardInterrupt, click.Abort):
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        return ExitCode.FAILED
    except IngleError as error:
        _complain(str(error))
        return error.exit_code
    except OSError as error:
        if error.errno not in NO_DEFECT:
            _crashed(error)
        else:
            _complain(f"{error.filename or 'the output'} cannot be written: {error.strerror}")
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 - the last place before a traceback
        _crashed(error)
        return ExitCode.FAILED


def _invoke(arguments: list[str]) -> int:
    try:
        result: Any = cli.main(args=arguments, prog_name="agent", standalone_mode=False,
                               terminal_width=width())  # fmt: skip
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return ExitCode.USAGE
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "agent"
        text = error.format_message().rstrip(".")
        hint = "" if text.endswith(("?", '"')) else f": `{where} --help` shows what is possible"
        _complain(text + hint)
        return ExitCode.USAGE
    except click.ClickException as error:
        _complain(error.format_message())
        return error.exit_code
    except SystemExit as error:
        # click's own answer to a closed pipe, and commands that choose their exit code.
        return error.code if isinstance(error.code, int) else ExitCode.FAILED
    return int(result) if isinstance(result, int) else ExitCode.DONE


def _complain(text: str) -> None:
    with suppress(OSError):
        print(f"agent: error: {safe_line(text)}", file=sys.stderr, flush=True)


def _crashed(error: Exception) -> None:
    """A defect of ours: one line, and the traceback where it can be found."""
    import traceback

    trace = "".join(traceback.format_exception(error))
    if os.environ.get("INGLE_DEBUG", "") not in ("", "0"):
        with suppress(OSError):
            print(trace, file=sys.stderr)
    log = _write_crash(trace)
    text = f"{type(error).__name__}: {error}"
    _complain(f"{text} (a defect of agent; the details are in {log})" if log else text)


def _write_crash(trace: str) -> Path | None:
    """Append the traceback to the crash log; None where that is impossible."""
    import time

    from agent.config import Folders
    from tools.secrets import mask

    try:
        path = Folders.from_env().state / "crash.log"
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')}\n{mask(trace)}\n")
    except (OSError, IngleError):
        return None
    return path


def _flush() -> None:
    """Flush, and let the interpreter's own flush at exit find no broken pipe."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # What is buffered cannot be written: it goes nowhere, and nobody hears of it.
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)


if __name__ == "__main__":
    main()
