"""One task as the command line describes it, from its options to its exit code."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from agent.app import Consumer, Job, Session, open_workspace
from agent.approval import Answer, ApprovalRequest, Ask
from agent.cli.asking import ask_on_terminal, choose_on_terminal
from agent.cli.build import Built, build, find_model
from agent.cli.permissions import Rights, find_rights
from agent.config import Folders, Limits
from agent.dialects.choose import known_name
from agent.errors import ExitCode, IngleError, UsageError
from agent.events import Event, Notice, TurnEnded
from agent.hooks import read_hooks
from agent.loading import name_of
from agent.mcp.session import Elicit
from agent.messages import Usage
from agent.models.catalogue import load_catalogue
from agent.models.plan import Wish
from agent.policy import Approval, SandboxMode
from agent.schema import load_schema
from agent.session.resume import Earlier, last_in, load_earlier
from agent.session.store import SessionLog
from agent.ui.github import Report, is_wanted
from agent.ui.guard import Guard, guard_streams
from agent.ui.headless import JsonPrinter, StreamJsonPrinter
from agent.ui.oneshot import OneshotPrinter
from agent.ui.repl import host
from tools.code.places import store_file


@dataclass(frozen=True)
class Options:
    """The options of `agent do`, by the names that click gives them."""

    task: tuple[str, ...]
    model: str | None
    family: str
    dir: str
    file: tuple[str, ...]
    goes_on: bool
    resume: str
    check: str
    attempts: int
    ctx: int | None
    kv_type: Literal["auto", "f16", "q8_0"] | None
    gpu_layers: int | None
    temperature: float | None
    seed: int
    max_turns: int
    max_time: float
    max_tokens: int | None
    max_tool_calls: int | None
    input: str
    output: str
    output_file: str | None
    json_schema: str | None
    approval: Approval | None
    annotations: str
    sandbox: SandboxMode | Literal["auto"]
    trust: bool
    ephemeral: bool


# Each ends the work in order, as Ctrl-C does: the result is told and the log is complete.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(options: Options) -> int:
    """Do the task: the exit code."""
    if options.input == "stream-json":
        from agent.cli.drive import drive

        return drive(options)
    for number in _obeyed():
        signal.signal(number, signal.default_int_handler)
    report = _report(options)
    consumer = _consumer(options.output)
    try:
        return _run(options, consumer, report)
    except KeyboardInterrupt:
        if not isinstance(consumer, OneshotPrinter) and not consumer.ended:
            consumer.show(TurnEnded("interrupted", "", int(ExitCode.INTERRUPTED), Usage()))
        raise
    except IngleError as error:
        if report:
            report.failed(str(error))
        raise


def _report(options: Options) -> Report | None:
    """What tells a workflow of GitHub how it went; its streams are guarded from then on."""
    if not is_wanted(options.annotations, os.environ):
        return None
    guard_streams({"GITHUB_ACTIONS": "true"})
    stderr = sys.stderr
    return Report(os.environ, stderr.command if isinstance(stderr, Guard) else _say)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Both:
    """A user interface, and beside it what a workflow is told."""

    consumer: Consumer
    report: Report

    @property
    def closed(self) -> bool:
        return self.consumer.closed

    def show(self, event: Event) -> None:
        self.consumer.show(event)
        self.report.take(event)

    def close(self) -> None:
        self.consumer.close()


def _obeyed() -> list[signal.Signals]:
    """The signals that end the work; one that whoever started us has switched off stays so."""
    return [number for number in ENDING if signal.getsignal(number) is not signal.SIG_IGN]


def _run(options: Options, consumer: Consumer, report: Report | None) -> int:
    job = job_of(options, _task_text(options.task))
    folders = Folders.from_env()
    rights = rights_of(options, job, folders, can_ask=_asker(consumer) is not None)
    wanted = rights.loaded.settings.model
    job = with_settings(job, rights, options)
    earlier = _earlier(options, job, folders)
    name = options.model or (earlier.model if earlier else wanted.name or load_catalogue().default)
    found = find_model(name, folders)
    if earlier and name_of(found) != earlier.model:
        raise UsageError(
            f"session {earlier.session} was made with {earlier.model}, whose tokens "
            f"{name_of(found)} cannot read: start a new session, or take that model"
        )
    for text in rights.notices:
        consumer.show(Notice(text))
    built = build(
        found, job.wish, folders,
        temperature=wanted.temperature, seed=options.seed, keep=not options.ephemeral,
        say=lambda text: consumer.show(Notice(text)),
    )  # fmt: skip
    job = replace(job, tries=built.tries, sampling=built.sampling)
    if earlier:
        log = SessionLog.resume(folders.state, earlier.session)
    else:
        log = SessionLog.create(None if options.ephemeral else folders.state)
    shown = Both(consumer, report) if report else consumer
    session = Session(
        built.engine, job.workspace, log, shown, _asker(consumer), built.plan, earlier,
        maps=store_file(folders.cache, job.workspace.root),
        policy=rights.policy, grants=rights.grants, folders=folders,
        profile="small" if built.tries > 1 else "full",
        hooks=read_hooks(rights.loaded.settings.hooks.model_dump()),
        elicit=_elicitor(consumer),
    )  # fmt: skip
    try:
        ended = asyncio.run(_session(session, job))
    except asyncio.CancelledError:
        # A second signal while the first one was being obeyed.
        raise KeyboardInterrupt from None
    finally:
        log.close()
        consumer.close()
    if options.output_file:
        write_answer(Path(options.output_file), ended.answer)
    return ended.exit_code


def built_for(
    name: str, options: Options, wish: Wish, folders: Folders, temperature: float | None,
    say: Callable[[str], None],
) -> tuple[str, Built]:  # fmt: skip
    """The model's own name, and an engine for it that is not loaded yet. Raises IngleError."""
    found = find_model(name, folders)
    built = build(
        found, wish, folders,
        temperature=temperature, seed=options.seed, keep=not options.ephemeral, say=say,
    )  # fmt: skip
    return name_of(found), built


def job_of(options: Options, text: str) -> Job:
    """What the options say about a task. Raises UsageError, ConfigError."""
    known_name(options.family)  # said before the model is loaded
    schema = load_schema(Path(options.json_schema)) if options.json_schema else None
    return Job(
        task=text,
        workspace=open_workspace(Path(options.dir)),
        attach=tuple(Path(name) for name in options.file),
        check=options.check,
        limits=Limits(
            options.max_turns,
            options.max_time,
            options.max_tokens or 0,
            options.max_tool_calls or 0,
        ),
        attempts=options.attempts,
        schema=schema,
        family=options.family,
    )


def rights_of(options: Options, job: Job, folders: Folders, *, can_ask: bool) -> Rights:
    """What holds in the folder, with the options over the settings."""
    flags: dict[str, dict[str, Any]] = {
        "model": {
            "ctx": options.ctx, "kv_type": options.kv_type, "gpu_layers": options.gpu_layers,
            "temperature": options.temperature,
        },
        "permissions": {"approval": options.approval},
        "sandbox": {"mode": None if options.sandbox == "auto" else options.sandbox},
    }  # fmt: skip
    return find_rights(
        folders, job.workspace.root, flags,
        trust=options.trust, can_ask=can_ask,
    )  # fmt: skip


def with_settings(job: Job, rights: Rights, options: Options) -> Job:
    """The job, with what the folder's settings add to it. Raises UsageError."""
    check = job.check or rights.check
    if options.attempts > 1 and not check:
        raise UsageError("--attempts needs --check CMD, which decides between them")
    wanted = rights.loaded.settings.model
    wish = Wish(wanted.ctx, wanted.kv_type or "auto", wanted.gpu_layers)
    return replace(job, check=check, wish=wish)


def _earlier(options: Options, job: Job, folders: Folders) -> Earlier | None:
    """The session that goes on, if one does."""
    if not options.goes_on and not options.resume:
        return None
    if options.ephemeral:
        raise UsageError("an ephemeral session is not kept, so it cannot go on with an earlier one")
    name = options.resume or last_in(folders.state, job.workspace.root)
    return load_earlier(folders.state, name)


def _task_text(words: tuple[str, ...]) -> str:
    piped = "" if sys.stdin is None or sys.stdin.isatty() else sys.stdin.read()
    text = " ".join(word for word in words if word != "-").strip()
    if "\0" in text:
        raise UsageError("the task has a NUL character in it")
    text = f"{text}\n\n{piped}".strip() if piped.strip() else text
    if not text:
        raise UsageError('the task is empty: agent do "what to do", or pipe it in')
    return text


async def _session(session: Session, job: Job) -> TurnEnded:
    """Run the job; the first signal ends it in order, a second Ctrl-C ends the process."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        task.cancel()

    for number in _obeyed():
        loop.add_signal_handler(number, interrupt)
    try:
        await session.start(sandbox=job.sandbox, family=job.family)
        ended = await session.do(job)
        if ended.stop != "interrupted":
            await session.give_title()
        return ended
    except (asyncio.CancelledError, InterruptedError):
        raise KeyboardInterrupt from None
    finally:
        await session.close()


def write_answer(path: Path, answer: str) -> None:
    """The answer as a file. Raises UsageError."""
    try:
        path.write_text(f"{answer}\n", "utf-8")
    except OSError as error:
        raise UsageError(f"the answer cannot be written to {path}: {error.strerror}") from error


def _consumer(output: str) -> OneshotPrinter | JsonPrinter | StreamJsonPrinter:
    if output == "json":
        return JsonPrinter()
    return StreamJsonPrinter() if output == "stream-json" else OneshotPrinter()


def _person(consumer: Consumer) -> OneshotPrinter | None:
    """The printer before which a person sits; None when nobody is there."""
    there = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    return consumer if isinstance(consumer, OneshotPrinter) and there else None


def _asker(consumer: Consumer) -> Ask | None:
    """Asks a person about a command; None when nobody is there."""
    printer = _person(consumer)
    if printer is None:
        return None

    async def ask(question: ApprovalRequest) -> Answer:
        printer.pause()
        return await asyncio.to_thread(ask_on_terminal, question)

    return ask


def _elicitor(consumer: Consumer) -> Elicit | None:
    """Lets a person answer what an MCP server wants to know; None when nobody is there."""
    printer = _person(consumer)
    if printer is None:
        return None

    async def choose(question: host.Question) -> host.Decision:
        printer.pause()
        return await asyncio.to_thread(choose_on_terminal, question)

    async def elicit(server: str, message: str, schema: dict[str, Any]) -> dict[str, Any] | None:
        from agent.elicitation import fill_in

        return await fill_in(server, message, schema, choose)

    return elicit
