"""Asking on a plain terminal: what would run, where, why, and one letter as the answer."""

from __future__ import annotations

import click

from agent.approval import Answer, ApprovalRequest, Kind
from agent.ui.escape import safe, safe_line
from agent.ui.repl import host

MOST_DIFF_LINES = 200
CHOICES: dict[str, Kind] = {"y": "once", "s": "session", "a": "always", "n": "no"}


def ask_on_terminal(question: ApprovalRequest) -> Answer:
    """Show the question on stderr and wait for an answer; the end of input is a no."""
    for line in question_text(question).split("\n"):
        click.echo(line, err=True)
    letters = "ysan" if question.pattern else "yn"
    names = {"y": "yes", "s": "for this session", "a": f"always: {safe_line(question.pattern)}",
             "n": "no"}  # fmt: skip
    click.echo("  ".join(f"[{letter}] {names[letter]}" for letter in letters), err=True)
    try:
        letter = click.prompt(
            "Run it?", type=click.Choice(list(letters), case_sensitive=False), default="n",
            show_choices=False, err=True,
        )  # fmt: skip
        if letter == "n":
            return Answer("no", click.prompt("Why not?", default="", show_default=False, err=True))
    except click.Abort:
        return Answer("no")
    return Answer(CHOICES[letter])


def choose_on_terminal(question: host.Question) -> host.Decision:
    """Show the choices on stderr and wait for one; the end of input is the last of them."""
    click.echo(safe(question.title), err=True)
    if question.command:
        click.echo(f"  {safe_line(question.command)}", err=True)
    for name, text in question.details:
        click.echo(f"  {safe_line(name)}: {safe_line(text)}", err=True)
    for choice in question.choices:
        click.echo(f"[{choice.key}] {safe_line(choice.label)}", err=True)
    no = question.choices[-1]
    keys = {choice.key: choice for choice in question.choices}
    try:
        key = click.prompt("Which?", type=click.Choice(list(keys)), default=no.key, err=True,
                           show_choices=False)  # fmt: skip
        given = click.prompt("Answer", err=True) if keys[key].needs_reason else ""
    except click.Abort:
        return host.Decision(no.key)
    return host.Decision(key, given)


def question_text(question: ApprovalRequest) -> str:
    """All that a person needs to decide, safe for a terminal."""
    lines = [f"{safe_line(question.tool)} asks to run in {safe_line(question.folder)}:"]
    lines += [f"  {line}" for line in safe(question.detail or question.headline).split("\n")]
    diff = safe(question.diff).rstrip("\n").split("\n") if question.diff else []
    lines += [f"  {line}" for line in diff[:MOST_DIFF_LINES]]
    if len(diff) > MOST_DIFF_LINES:
        lines.append(f"  … {len(diff) - MOST_DIFF_LINES} more lines")
    rule = f" (rule: {safe_line(question.rule)})" if question.rule else ""
    lines.append(f"Asked because {safe_line(question.why)}{rule}.")
    return "\n".join(lines)
