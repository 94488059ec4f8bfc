"""`agent do "task"`: one task to its end, then exit with a code that says how it went."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from agent.errors import UsageError

if TYPE_CHECKING:
    from agent.app import Consumer, Job, Session
    from agent.events import TurnEnded


class Duration(click.ParamType[float]):
    """Seconds from texts like 90, 45s, 5m or 1h."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        if match is None or float(match[1]) <= 0:
            self.fail(f"{value!r} is no duration: write 90, 45s, 5m or 1h", param, ctx)
        return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


@click.command()
@click.argument("task", nargs=-1)
@click.option("-m", "--model", help="Catalogue name, path to a .gguf, or hf:owner/repo/file.gguf.")
@click.option("-d", "--dir", "folder", default=".", help="The folder to work in.")
@click.option("-f", "--file", "files", multiple=True, help="Show this file to the model.")
@click.option("--check", default="", help="Command that has to pass; its failures go back.")
@click.option("--ctx", type=click.IntRange(min=512), help="Context length in tokens.")
@click.option("--temperature", type=click.FloatRange(0, 2), default=0.0, show_default=True)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--max-turns", type=click.IntRange(min=1), default=30, show_default=True)
@click.option("--max-time", type=Duration(), default=0.0, help="Such as 45s, 5m, 1h.")
@click.option("--max-tokens", type=click.IntRange(min=1), default=None, help="Generated tokens.")
@click.option("--max-tool-calls", type=click.IntRange(min=1), default=None)
@click.option("--output", type=click.Choice(["text", "json", "stream-json"]), default="text")
@click.option("-o", "--output-file", type=click.Path(dir_okay=False), help="Answer goes here too.")
@click.option("--sandbox", type=click.Choice(["auto", "off"]), default="auto")
@click.option("--ephemeral", is_flag=True, help="Keep no session on disk.")
def do(
    task: tuple[str, ...],
    model: str | None,
    folder: str,
    files: tuple[str, ...],
    check: str,
    ctx: int | None,
    temperature: float,
    seed: int,
    max_turns: int,
    max_time: float,
    max_tokens: int | None,
    max_tool_calls: int | None,
    output: str,
    output_file: str | None,
    sandbox: Literal["auto", "off"],
    ephemeral: bool,
) -> None:
    """Do TASK in this folder and exit. `-` reads the task from stdin; piped text is added to it."""
    from agent.app import Job, open_workspace
    from agent.config import Limits
    from agent.engine.base import Sampling

    text = _task_text(task)
    job = Job(
        task=text,
        workspace=open_workspace(Path(folder)),
        attach=tuple(Path(name) for name in files),
        check=check,
        limits=Limits(max_turns, max_time, max_tokens or 0, max_tool_calls or 0),
        sampling=Sampling(temperature=temperature, seed=seed),
        sandbox=sandbox,
        n_ctx=ctx,
    )
    ended = _run(job, model, output, ephemeral)
    if output_file:
        _write_answer(Path(output_file), ended.answer)
    sys.exit(ended.exit_code)


def _task_text(words: tuple[str, ...]) -> str:
    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    text = " ".join(word for word in words if word != "-").strip()
    if "\0" in text:
        raise UsageError("the task has a NUL character in it")
    text = f"{text}\n\n{piped}".strip() if piped.strip() else text
    if not text:
        raise UsageError('the task is empty: agent do "what to do", or pipe it in')
    return text


def _run(job: Job, model: str | None, output: str, ephemeral: bool) -> TurnEnded:
    import asyncio
    from dataclasses import replace

    from agent.app import Session, llama_engine, tries_for
    from agent.cli.models import progress_bar
    from agent.config import Folders, is_offline
    from agent.models.catalogue import load_catalogue
    from agent.models.resolve import resolve
    from agent.session.store import SessionLog

    folders = Folders.from_env()
    name = model or load_catalogue().default
    with progress_bar() as progress:
        found = resolve(name, folders.models, offline=is_offline(), progress=progress)
    job = replace(job, tries=tries_for(found))
    engine = llama_engine(found, job.n_ctx)
    log = SessionLog.create(None if ephemeral else folders.state)
    consumer = _consumer(output)
    session = Session(engine, job.workspace, log, consumer, _asker(consumer))
    try:
        return asyncio.run(_session(session, job))
    finally:
        log.close()
        consumer.close()


async def _session(session: Session, job: Job) -> TurnEnded:
    """Run the job; the first Ctrl-C ends it in order, a second one ends the process."""
    import asyncio
    import signal

    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    try:
        await session.start(sandbox=job.sandbox)
        return await session.do(job)
    except (asyncio.CancelledError, InterruptedError):
        raise KeyboardInterrupt from None
    finally:
        await session.close()


def _write_answer(path: Path, answer: str) -> None:
    try:
        path.write_text(f"{answer}\n", "utf-8")
    except OSError as error:
        raise UsageError(f"the answer cannot be written to {path}: {error.strerror}") from error


def _consumer(output: str) -> Consumer:
    from agent.ui.headless import JsonPrinter, StreamJsonPrinter
    from agent.ui.oneshot import OneshotPrinter

    if output == "json":
        return JsonPrinter()
    return StreamJsonPrinter() if output == "stream-json" else OneshotPrinter()


def _asker(consumer: Consumer) -> Callable[[str], bool] | None:
    """Asks a person about a command; None when nobody is there."""
    from agent.ui.escape import safe
    from agent.ui.oneshot import OneshotPrinter

    there = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    if not isinstance(consumer, OneshotPrinter) or not there:
        return None

    def ask(command: str) -> bool:
        consumer.pause()
        click.echo(
            f"There is no sandbox here. The model wants to run:\n  {safe(command)}", err=True
        )
        return click.confirm("Run it?", err=True)

    return ask
