"""`agent do` where nobody is: in workflows of GitHub and elsewhere, with a scripted engine."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.faults.command import HELPERS, START, Command, in_order
from tests.unit.ui.test_github import read_outputs
from tests.unit.ui.test_guard import commands

ROOT = Path(__file__).parents[2]
RUN = ROOT / "examples/ci/run.sh"
ESCAPE = "\x1b"
TEST = """import unittest

class T(unittest.TestCase):
    def test_one(self):
        self.assertEqual(open('a.txt').read(), 'one')
"""
CHECK = f"{Path(sys.executable).resolve()} -m unittest -q"
RIGHT = "LINES = [call('write', path='a.txt', content='one'), 'Done.']"
WRONG = "LINES = [call('write', path='a.txt', content='two'), 'I cannot.']"


@pytest.fixture
def command(tmp_path: Path) -> Command:
    (tmp_path / "work").mkdir()
    return Command(tmp_path)


def as_script(home: Path, script: str, **given: str) -> subprocess.CompletedProcess[str]:
    """examples/ci/run.sh in a session without a terminal and with next to no environment."""
    work, tools = home / "work", home / "bin"
    tools.mkdir()
    (work / "test_a.py").write_text(TEST)
    (work / "a.txt").write_text("")
    (home / "script.py").write_text(f"{HELPERS}\n{script}\n")
    shim = tools / "agent"
    shim.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" "{START}" '
                    f'"{home / "script.py"}" "$@"\n')  # fmt: skip
    shim.chmod(0o755)
    environment = {"PATH": f"{tools}:{os.environ['PATH']}", "RUNNER_TEMP": str(home), **given}
    return subprocess.run(
        [str(RUN)], cwd=work, env=environment, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, check=False, start_new_session=True,
    )  # fmt: skip


def runner_files(home: Path) -> dict[str, str]:
    names = ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
    return {"CI": "true", "GITHUB_ACTIONS": "true", "GITHUB_WORKSPACE": str(home / "work"),
            **{name: str(home / name) for name in names}}  # fmt: skip


def test_the_workflow_as_a_script_repairs(command: Command) -> None:
    home = command.home
    done = as_script(home, RIGHT, TASK="-repair a.txt; $(touch evil)", CHECK=CHECK,
                     ARGS="--max-turns\n5", **runner_files(home))  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert in_order(done) and ESCAPE not in done.stdout + done.stderr
    assert (command.work / "a.txt").read_text() == "one"
    assert sorted(path.name for path in command.work.iterdir()) == ["a.txt", "test_a.py"]
    found = read_outputs((home / "GITHUB_OUTPUT").read_text())
    assert (found["stop"], found["check-passed"]) == ("check_passed", "true")
    assert found["changed"] == "a.txt"
    assert "-repair a.txt; $(touch evil)" in (home / "GITHUB_STEP_SUMMARY").read_text()
    assert commands(done.stdout + done.stderr) == []
    assert list(home.glob("ingle-home/.local/state/ingle/sessions/*/events.jsonl"))


def test_the_workflow_as_a_script_says_what_fails(command: Command) -> None:
    home = command.home
    done = as_script(home, WRONG, TASK="repair", CHECK=CHECK, BUDGET="5m", ARGS="--max-turns\n1",
                     **runner_files(home))  # fmt: skip
    assert done.returncode == 53, done.stdout + done.stderr
    (line,) = [x for x in done.stderr.splitlines() if x.startswith("::")]
    assert line.startswith("::error file=test_a.py,line=5,title=check failed::")
    assert "'two' != 'one'" in line
    assert read_outputs((home / "GITHUB_OUTPUT").read_text())["check-passed"] == "false"


def test_the_script_needs_a_task(command: Command) -> None:
    done = as_script(command.home, RIGHT)
    assert done.returncode != 0 and "set TASK" in done.stderr


def test_nothing_but_our_own_lines_is_a_command_of_the_workflow(command: Command) -> None:
    attack = "::set-output name=answer::evil\n  ::add-mask::a\ntext ##[add-mask]b\n"
    (command.work / "evil.txt").write_text(attack)
    script = f"LINES = [call('read', path='evil.txt'), {attack!r} + 'Done.']"
    flags = ("--check", "cat evil.txt; false", "--sandbox", "off", "--max-turns", "2")
    for output in ("text", "json", "stream-json"):
        usual = command.do(script, "look", *flags, "--output", output, "--ephemeral")
        if output == "text":
            assert "set-output" in commands(usual.stdout), usual.stderr
            assert "error" not in commands(usual.stderr)
        guarded = command.do(script, "look", *flags, "--output", output, "--ephemeral",
                             GITHUB_ACTIONS="true")  # fmt: skip
        assert commands(guarded.stdout) == [], guarded.stdout
        assert commands(guarded.stderr) == ["error"], guarded.stderr
    told = command.agent("search", "##[add-mask]x", "--nonsense", GITHUB_ACTIONS="true")
    assert commands(told.stdout + told.stderr) == []


def test_annotations_can_be_had_anywhere_and_left_out(command: Command) -> None:
    flags = ("hello", "--max-turns", "1", "--ephemeral")
    script = "LINES = [call('read', path='missing.txt'), 'Done.']"
    anywhere = command.do(script, *flags, "--annotations", "github")
    assert anywhere.returncode == 53 and "::error title=agent::" in anywhere.stderr
    assert "::" not in command.do(script, *flags).stderr
    left_out = command.do(script, *flags, "--annotations", "none", GITHUB_ACTIONS="true")
    assert left_out.returncode == 53 and "::" not in left_out.stderr


def test_an_error_before_the_turn_is_an_annotation(command: Command) -> None:
    done = command.do("LINES = []", "hello", "-f", "missing.txt", GITHUB_ACTIONS="true")
    assert done.returncode == 2
    assert commands(done.stderr) == ["error"] and "missing.txt" in done.stderr


@pytest.mark.parametrize("approval", ["ask", "auto", "never"])
def test_ci_alone_approves_nothing(command: Command, approval: str) -> None:
    settings = command.work / ".ingle"
    settings.mkdir()
    (settings / "config.toml").write_text('check = "touch checked"\n')
    everywhere = {"CI": "true", "GITHUB_ACTIONS": "true", "CONTINUOUS_INTEGRATION": "1"}
    script = "LINES = [call('fetch_url', url='http://127.0.0.1:9/'), " + RIGHT.split("[", 1)[1]
    plain = command.do(script, "write a.txt", "--approval", approval)
    done = command.do(script, "write a.txt", "--approval", approval, **everywhere)
    assert done.returncode == plain.returncode
    assert (command.work / "a.txt").exists() == (approval != "ask")
    assert "not trusted" in done.stderr and not (command.work / "checked").exists()
    trusted = command.agent("trust", "--help")
    assert trusted.returncode == 0
    kinds = [event["type"] for event in command.events()]
    assert "approval_asked" not in kinds


def test_ask_is_a_refusal_where_nobody_is(command: Command) -> None:
    done = command.do(RIGHT, "write a.txt", "--approval", "ask", CI="true")
    assert done.returncode == 77
    assert not (command.work / "a.txt").exists()


PLACES: dict[str, dict[str, str]] = {
    "no colour": {"NO_COLOR": "1", "FORCE_COLOR": "1"},
    "dumb": {"TERM": "dumb"},
    "no UTF-8": {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "no home": {"HOME": "/proc/nobody"},
    "nothing": {"TERM": "", "LANG": "", "LC_ALL": ""},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("output", ["text", "json", "stream-json"])
def test_anywhere(command: Command, place: str, output: str) -> None:
    changed = dict(PLACES[place])
    if place == "no home":
        changed |= {f"XDG_{name}_HOME": "" for name in ("STATE", "CACHE", "CONFIG")}
    script = "LINES = [call('write', path='a.txt', content='one'), 'Done: é ✓ \\x1b[2J']"
    done = command.do(script, "write a.txt", "--output", output, **changed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert in_order(done) and ESCAPE not in done.stdout + done.stderr
    assert (command.work / "a.txt").read_text() == "one"
    assert "Done: " in done.stdout
    if place == "no UTF-8":
        assert done.stdout.isascii() and done.stderr.isascii()


# The rules of our workflows.


def problems(text: str) -> list[str]:
    """What is wrong with a workflow or an action: references that can move, texts in scripts."""
    data = yaml.safe_load(text)
    found = []
    jobs = data.get("jobs", {"": data.get("runs", {})})
    for job in jobs.values():
        for step in job["steps"]:
            uses = step.get("uses", "")
            if uses and not re.fullmatch(r"[\w.-]+/[\w./-]+@[0-9a-f]{40}", uses):
                found.append(f"not pinned: {uses}")
            if "${{" in step.get("run", ""):
                found.append(f"a text in a script: {step['run']}")
            if "run" in step and "shell" not in step:
                found.append("no shell")
    if "jobs" in data and "permissions" not in data:
        found.append("no permissions")
    # YAML 1.1 reads the key `on` as true.
    if "pull_request_target" in str(data.get(True, data.get("on", ""))):
        found.append("pull_request_target")
    return found


@pytest.mark.parametrize("name", ["action.yml", "examples/ci/workflow.yml"])
def test_our_workflows_keep_the_rules(name: str) -> None:
    text = (ROOT / name).read_text()
    assert problems(text) == []
    assert "github.event." not in text


STEP = "jobs: {a: {steps: [{%s}]}}\npermissions: {}\n"


@pytest.mark.parametrize(
    "text",
    [
        STEP % "uses: actions/checkout@v4",
        STEP % "uses: actions/checkout@main",
        STEP % "uses: ./local",
        STEP % "run: 'echo ${{ github.event.issue.title }}', shell: sh",
        STEP % "run: 'echo ${{ inputs.task }}', shell: sh",
        STEP % "run: echo",
        "jobs: {a: {steps: []}}",
        "on: pull_request_target\n" + STEP % f"uses: a/b@{'0' * 40}",
    ],
)
def test_the_rules_notice(text: str) -> None:
    assert problems(text)


def test_the_action_hands_its_inputs_and_outputs_on() -> None:
    data: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
    last = data["runs"]["steps"][-1]
    assert {name.upper() for name in data["inputs"]} == last["env"].keys() - {"HERE"}
    from agent.events import TurnEnded
    from agent.messages import Usage
    from agent.ui.github import output_values

    given = output_values(None, TurnEnded("answer", "", 0, Usage()))
    assert set(data["outputs"]) == set(given)
    for name, output in data["outputs"].items():
        assert output["value"] == f"${{{{ steps.agent.outputs.{name} }}}}"
    script = RUN.read_text()
    assert all(f"${{{name}" in script for name in last["env"].keys() - {"HERE"})
