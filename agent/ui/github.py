"""What a GitHub workflow sees of a task: annotations, a job summary, and outputs of the step.

https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from agent.errors import UsageError
from agent.events import CheckEnded, Event, SessionStarted, TaskGiven, TurnEnded
from agent.ui.escape import safe
from agent.ui.summary import summary

# A runner shows ten errors of a step.
MOST_ERRORS = 10
# A runner takes 1 MiB for a summary, and for all outputs of a job.
MOST_CHARS = 60_000
MOST_CHECK_LINES = 60


def is_wanted(choice: str, environment: Mapping[str, str]) -> bool:
    """Whether there are annotations; 'auto' is for workflows of GitHub."""
    return choice == "github" or (choice == "auto" and environment.get("GITHUB_ACTIONS") == "true")


def escape_data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def error(message: str, **properties: str | int) -> str:
    """An `error` command; `properties` are file, line and title."""
    given = ",".join(f"{k}={escape_property(safe(str(v)))}" for k, v in properties.items() if v)
    return f"::error {given}".rstrip() + f"::{escape_data(safe(message))}"


def error_lines(check: CheckEnded | None, end: TurnEnded, root: str, checkout: str) -> list[str]:
    """The commands about what failed.

    `root` is the workspace, `checkout` the repository's folder: annotated paths start there.
    """
    if check is not None and not check.passed:
        found = [
            error(message, file=_from(checkout, root, file), line=line, title="check failed")
            for file, line, message in check.places[:MOST_ERRORS]
        ]
        return found or [error(f"{check.command}\n{check.text}"[:MOST_CHARS], title="check failed")]
    if end.exit_code:
        return [error(f"{summary(end)[0]}\n{end.answer}".strip()[:MOST_CHARS], title="agent")]
    return []


def _from(checkout: str, root: str, file: str) -> str:
    path = Path(root) / file
    if checkout and path.is_relative_to(checkout):
        return path.relative_to(checkout).as_posix()
    return file


def job_summary(check: CheckEnded | None, end: TurnEnded, task: str) -> str:
    """A page of Markdown; what others wrote stands in code blocks, which show it as it is."""
    lines = ["### agent", "", _block(task[:2_000]), ""]
    lines += [f"- {part}" for part in summary(end)]
    lines += [f"- changed: {_code(path)}" for path in end.changed[:50]]
    if check is not None:
        state = "passed" if check.passed else "failed"
        lines += ["", f"**The check {state}:** {_code(check.command)}"]
        if not check.passed:
            lines += ["", _block("\n".join(check.text.splitlines()[:MOST_CHECK_LINES]))]
    if end.answer:
        lines += ["", _block(end.answer)]
    return "\n".join(lines)[:MOST_CHARS] + "\n\n"


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall("`+", text)), default=0)


def _block(text: str) -> str:
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}text\n{safe(text)}\n{fence}"


def _code(text: str) -> str:
    fence = "`" * (_longest_run(text) + 1)
    return f"{fence} {' '.join(safe(text).split())} {fence}"


def outputs(values: Mapping[str, str]) -> str:
    """Lines for the file of the step's outputs; a delimiter that nobody can know ends each."""
    parts = []
    for name, value in values.items():
        delimiter = f"ghadelimiter_{secrets.token_hex(16)}"
        parts.append(f"{name}<<{delimiter}\n{safe(value)[:MOST_CHARS]}\n{delimiter}\n")
    return "".join(parts)


def output_values(session: SessionStarted | None, end: TurnEnded) -> dict[str, str]:
    """The outputs by name; all are text, `changed` is a path a line."""
    passed = {None: "", True: "true", False: "false"}[end.check_passed]
    return {
        "answer": end.answer,
        "stop": end.stop,
        "exit-code": str(end.exit_code),
        "check-passed": passed,
        "changed": "\n".join(path.replace("\n", " ") for path in end.changed),
        "session": session.session if session else "",
    }


def append(path: str, text: str) -> None:
    """Add to one of the runner's files; an empty name is no file. Raises UsageError."""
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.write(text)
    except OSError as problem:
        raise UsageError(f"{path} cannot be written: {problem.strerror}") from problem


class Report:
    """Takes in what happens in a task, and tells the runner when it is over.

    `environment` names the runner's files, `command` writes one workflow command.
    """

    def __init__(self, environment: Mapping[str, str], command: Callable[[str], None]) -> None:
        self._environment = environment
        self._command = command
        self._session: SessionStarted | None = None
        self._check: CheckEnded | None = None
        self._task = ""
        self._told = False

    def take(self, event: Event) -> None:
        """One event; the last one of the turn writes everything. Raises UsageError."""
        if isinstance(event, SessionStarted):
            self._session = event
        elif isinstance(event, TaskGiven):
            self._task = event.text
        elif isinstance(event, CheckEnded):
            self._check = event
        elif isinstance(event, TurnEnded):
            self._end(event)

    def failed(self, text: str) -> None:
        """There was no turn; one that broke off has been told about."""
        if not self._told:
            self._command(error(text, title="agent"))

    def _end(self, end: TurnEnded) -> None:
        self._told = True
        root = self._session.workspace if self._session else ""
        checkout = self._environment.get("GITHUB_WORKSPACE", "")
        for line in error_lines(self._check, end, root, checkout):
            self._command(line)
        page = job_summary(self._check, end, self._task)
        append(self._environment.get("GITHUB_STEP_SUMMARY", ""), page)
        values = output_values(self._session, end)
        append(self._environment.get("GITHUB_OUTPUT", ""), outputs(values))
