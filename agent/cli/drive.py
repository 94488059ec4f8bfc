"""`agent do --input stream-json`: the REPL's side of a session, driven by another program."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from agent.cli import task
from agent.cli.stats import read_prices
from agent.commands.base import Actions, Command, Outcome
from agent.commands.builtin import BUILTIN
from agent.config import Folders
from agent.conversation import Conversation
from agent.errors import UsageError
from agent.events import Notice
from agent.hooks import read_hooks
from agent.job import Job
from agent.models.catalogue import load_catalogue
from agent.models.plan import Wish
from agent.session.find import find_session
from agent.session.resume import last_in
from agent.terms import Loaded, Report, Setup, Terms
from agent.ui.driven import END, Driver
from agent.ui.orders import read_lines
from agent.ui.repl.host import Message
from agent.ui.repl.host import Wish as Wanted
from agent.ui.terminal import Output


def drive(options: task.Options) -> int:
    """Work on what comes on stdin, until it ends: the exit code. Raises UsageError, ConfigError."""
    if options.output != "stream-json":
        raise UsageError("--input stream-json needs --output stream-json, which answers it")
    if options.annotations == "github":
        raise UsageError(
            "--annotations github is for one task: who drives a session tells the workflow itself"
        )
    text = " ".join(word for word in options.task if word != "-").strip()
    folders = Folders.from_env()
    job = task.job_of(options, text)
    terms, job = _terms(options, job, folders)
    setup = _setup(options, job, folders, terms)
    driver = Driver(Conversation(setup, tuple), Output(sys.stdout, {}))
    first = Message(text, job.attach) if text else None
    outcome = driver.run(first, read_lines(0))
    if options.output_file:
        task.write_answer(Path(options.output_file), outcome.answer)
    return int(outcome.exit_code)


def _terms(options: task.Options, job: Job, folders: Folders) -> tuple[Terms, Job]:
    """What holds in the folder; nobody is asked whether it is trusted."""
    rights = task.rights_of(options, job, folders, can_ask=False)
    job = task.with_settings(job, rights, options)
    wanted = rights.loaded.settings
    default = wanted.model.name or load_catalogue().default

    def load(name: str, report: Report) -> Loaded:
        return _load(name or default, report, options, job.wish, folders, wanted.model.temperature)

    hooks = read_hooks(wanted.hooks.model_dump())
    terms = Terms(
        load, rights.policy, rights.grants, "", hooks, read_prices(folders),
        notices=rights.notices,
    )  # fmt: skip
    return terms, job


def _load(
    name: str, report: Report, options: task.Options, wish: Wish, folders: Folders,
    temperature: float | None,
) -> Loaded:  # fmt: skip
    known, built = task.built_for(
        name, options, wish, folders, temperature, lambda text: report(Notice(text))
    )
    return Loaded(built.engine, known, built.sampling, built.tries, built.plan)


def _setup(options: task.Options, job: Job, folders: Folders, terms: Terms) -> Setup:
    resume = options.resume or ("here" if options.goes_on else "")
    if resume and options.ephemeral:
        raise UsageError("an ephemeral session is not kept, so it cannot go on with an earlier one")
    if resume:  # said before the model is loaded
        find_session(folders.state, last_in(folders.state, job.workspace.root)
                     if resume == "here" else resume)  # fmt: skip

    def shape(made: Job) -> Job:
        return replace(made, limits=job.limits, attempts=job.attempts, schema=job.schema)

    return Setup(
        job.workspace.root,
        None if options.ephemeral else folders.state,
        lambda _decided: terms,
        _commands,
        options.model or "",
        resume,
        job.check,
        folders=folders,
        shape=shape,
        family=options.family,
    )


def _commands() -> Sequence[Command]:
    """What orders become: all of them wait for what was queued before."""
    compact = [command for command in BUILTIN if command.name == "compact"]
    return [*compact, Command(END, "", "", _end)]


async def _end(_chat: Actions, _argument: str) -> Outcome:
    return Wanted("exit")
