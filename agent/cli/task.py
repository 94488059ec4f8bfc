"""One task as the command line describes it, from its options to its exit code."""

from __future__ import annotations

import asyncio
import signal
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from agent.app import Consumer, Job, Session, open_workspace
from agent.approval import Answer, Ask, Question
from agent.cli.asking import ask_on_terminal
from agent.cli.build import build, find_model
from agent.cli.permissions import Rights, find_rights
from agent.config import Folders, Limits
from agent.dialects.choose import known_name
from agent.errors import UsageError
from agent.events import Notice, TurnEnded
from agent.hooks import read_hooks
from agent.loading import name_of
from agent.models.catalogue import load_catalogue
from agent.models.plan import Wish
from agent.policy import Approval, SandboxMode
from agent.schema import load_schema
from agent.session.resume import Earlier, last_in, load_earlier
from agent.session.store import SessionLog
from agent.ui.headless import JsonPrinter, StreamJsonPrinter
from agent.ui.oneshot import OneshotPrinter
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
    output: str
    output_file: str | None
    json_schema: str | None
    approval: Approval | None
    sandbox: SandboxMode | Literal["auto"]
    trust: bool
    ephemeral: bool


def run(options: Options) -> int:
    """Do the task: the exit code."""
    job = _job(options)
    folders = Folders.from_env()
    consumer = _consumer(options.output)
    rights = _rights(options, job, folders, consumer)
    wanted = rights.loaded.settings.model
    job = _with_settings(job, rights, options)
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
    session = Session(
        built.engine, job.workspace, log, consumer, _asker(consumer), built.plan, earlier,
        maps=store_file(folders.cache, job.workspace.root),
        policy=rights.policy, grants=rights.grants, folders=folders,
        profile="small" if built.tries > 1 else "full",
        hooks=read_hooks(rights.loaded.settings.hooks.model_dump()),
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
        _write_answer(Path(options.output_file), ended.answer)
    return ended.exit_code


def _job(options: Options) -> Job:
    text = _task_text(options.task)
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


def _rights(options: Options, job: Job, folders: Folders, consumer: Consumer) -> Rights:
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
        trust=options.trust, can_ask=_asker(consumer) is not None,
    )  # fmt: skip


def _with_settings(job: Job, rights: Rights, options: Options) -> Job:
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
    """Run the job; the first Ctrl-C ends it in order, a second one ends the process."""
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def interrupt() -> None:
        loop.remove_signal_handler(signal.SIGINT)
        task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
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


def _write_answer(path: Path, answer: str) -> None:
    try:
        path.write_text(f"{answer}\n", "utf-8")
    except OSError as error:
        raise UsageError(f"the answer cannot be written to {path}: {error.strerror}") from error


def _consumer(output: str) -> Consumer:
    if output == "json":
        return JsonPrinter()
    return StreamJsonPrinter() if output == "stream-json" else OneshotPrinter()


def _asker(consumer: Consumer) -> Ask | None:
    """Asks a person about a command; None when nobody is there."""
    there = sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
    if not isinstance(consumer, OneshotPrinter) or not there:
        return None

    async def ask(question: Question) -> Answer:
        consumer.pause()
        return await asyncio.to_thread(ask_on_terminal, question)

    return ask
