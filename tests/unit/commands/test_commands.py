"""User commands, skills and hooks: what is read, when, and what goes wrong with them."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from agent.commands.base import find, unknown
from agent.commands.builtin import BUILTIN
from agent.commands.custom import MOST_BYTES, Source, custom_commands, prompt_of
from agent.errors import ConfigError, UsageError
from agent.hooks import Hook, read_hooks, run_hooks
from tests.turn.conftest import has_ended


def source(folder: Path) -> Source:
    return Source(folder / "commands", folder / "skills", "yours")


def test_commands_and_skills_are_listed_and_read_when_used(tmp_path: Path) -> None:
    (tmp_path / "commands").mkdir()
    (tmp_path / "commands/review.md").write_text(
        "---\ndescription: Look at it again\n---\nReview $ARGUMENTS with care.\n"
    )
    (tmp_path / "commands/help.md").write_text("mine")
    (tmp_path / "commands/not a name.md").write_text("no")
    (tmp_path / "skills/release").mkdir(parents=True)
    (tmp_path / "skills/release/SKILL.md").write_text("# How to release\nDo it.")
    found = custom_commands([source(tmp_path)], ["help"])
    assert [(c.name, c.help) for c in found] == [
        ("review", "Look at it again (yours)"),
        ("release", "How to release (yours)"),
    ]
    assert prompt_of(tmp_path / "commands/review.md", "a.py") == "Review a.py with care."
    prompt = prompt_of(tmp_path / "skills/release/SKILL.md", "now")
    assert prompt.startswith("# How to release") and prompt.endswith("now")
    assert str(tmp_path / "skills/release") in prompt


def test_a_command_file_that_cannot_be_a_prompt(tmp_path: Path) -> None:
    long, binary = tmp_path / "long.md", tmp_path / "binary.md"
    long.write_text("x" * (MOST_BYTES + 1))
    binary.write_bytes(b"\xff\xfe")
    for path, why in ((long, "too long"), (binary, "not UTF-8"), (tmp_path / "no.md", "read")):
        with pytest.raises(UsageError, match=why):
            prompt_of(path, "")


def test_names_are_found_by_their_beginning_and_near_ones_are_named() -> None:
    assert (found := find(BUILTIN, "cont")) is not None and found.name == "context"
    assert find(BUILTIN, "co") is None
    assert "/compact" in unknown(BUILTIN, "co") and "/context" in unknown(BUILTIN, "contxt")
    assert "/help" in unknown(BUILTIN, "qqqq")


def hook(code: str, seconds: float = 60) -> Hook:
    return Hook("before_tool", (sys.executable, "-c", code), seconds)


async def test_a_hook_reads_what_happens_and_may_say_no(tmp_path: Path) -> None:
    code = "import json,sys; d=json.load(sys.stdin); print(json.dumps({'allow': d['tool']!='shell',"
    code += " 'reason': d['event'], 'note': d['folder']}))"
    about = {"tool": "shell", "folder": "x" * 300_000}
    answer = await run_hooks(
        [hook(code.replace("d['folder']", "''"))], "before_tool", about, tmp_path
    )
    assert (answer.allow, answer.reason) == (False, "before_tool")
    about = {"tool": "read", "folder": "/here"}
    answer = await run_hooks([hook(code)], "before_tool", about, tmp_path)
    assert answer.allow and answer.notices == ("/here",)
    assert (await run_hooks([hook(code)], "turn_end", about, tmp_path)).notices == ()


@pytest.mark.parametrize(
    ("code", "seconds", "says"),
    [
        ("print('hello')", 60, "no JSON object"),
        ("print('[1]')", 60, "no JSON object"),
        ("print('{\"allow\": 1}')", 60, "not understood"),
        ("print('x' * 200_000)", 60, "no JSON object"),
        ("raise SystemExit(3)", 60, "exit code 3"),
        ("import time; time.sleep(600)", 0.2, "was ended after 0.2s"),
    ],
)
async def test_a_hook_that_goes_wrong_is_a_notice(
    tmp_path: Path, code: str, seconds: float, says: str
) -> None:
    answer = await run_hooks([hook(code, seconds)], "before_tool", {}, tmp_path)
    assert answer.allow and len(answer.notices) == 1 and says in answer.notices[0]


async def test_a_hook_that_is_not_there(tmp_path: Path) -> None:
    answer = await run_hooks([Hook("turn_end", ("/no/such",))], "turn_end", {}, tmp_path)
    assert "cannot be started" in answer.notices[0]


def test_hooks_are_read_from_lines() -> None:
    found = read_hooks({"turn_end": [shlex.join(["say", "all done"])], "other": ["x"]})
    assert found == (Hook("turn_end", ("say", "all done")),)
    for line in ("", "say 'open"):
        with pytest.raises(ConfigError, match=r"hooks\.turn_end"):
            read_hooks({"turn_end": [line]})


async def test_nothing_that_a_hook_started_stays_behind(tmp_path: Path) -> None:
    line = "sleep 600 >/dev/null & echo $! > pid"
    answer = await run_hooks([Hook("turn_end", ("sh", "-c", line))], "turn_end", {}, tmp_path)
    assert answer.notices == ()
    assert has_ended((tmp_path / "pid").read_text())
