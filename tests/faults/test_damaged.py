"""State files that a disk cut off or changed: one clear line, never a traceback, nothing lost."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from agent.cli import task
from agent.cli.main import run
from tests.faults import scripted_do
from tests.faults.command import Command

Damage = Callable[[Path, random.Random], None]
FIRST = """
LINES = [
    call("write", path="a.txt", content="one\\n"),
    call("shell", command="seq 1 20000; echo needle"),
    "The haystack has a needle.",
]
"""
COMMANDS = (
    ["sessions", "list"], ["sessions", "list", "--json"], ["sessions", "show", "last"],
    ["sessions", "search", "haystack", "needle"], ["sessions", "export", "last"], ["stats"],
    ["context"], ["cache", "show"], ["mcp", "list"], ["search", "haystack"], ["diff"],
    ["trust", "."], ["do", "--continue", "go on"], ["undo"], ["do", "anew"], ["undo"],
)  # fmt: skip
FILES = {
    "log": "STATE/ingle/sessions/*/events.jsonl",
    "index": "STATE/ingle/sessions/*/index.sqlite",
    "output": "STATE/ingle/sessions/*/output/*",
    "trust": "STATE/ingle/trust.json",
    "pins": "STATE/ingle/mcp/pins/*.json",
    "checkpoint index": "STATE/ingle/checkpoints/*/index",
    "last checkpoint": "STATE/ingle/checkpoints/*/last.json",
    "checkpoint refs": "STATE/ingle/checkpoints/*/refs/checkpoints/*",
    "checkpoint objects": "STATE/ingle/checkpoints/*/objects/??/*",
    "settings": "CONFIG/ingle/config.toml",
    "permissions": "CONFIG/ingle/permissions.toml",
    "servers": "CONFIG/ingle/mcp.json",
    "code": "CACHE/ingle/**/*",
}


def cut(path: Path, chance: random.Random) -> None:
    data = path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(data[: chance.randrange(len(data))] if data else b"")


def flip(path: Path, chance: random.Random) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(chance.randint(1, 3) if data else 0):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.chmod(0o600)
    path.write_bytes(data)


def zeros(path: Path, chance: random.Random) -> None:
    """As a power failure leaves a file."""
    size = path.stat().st_size
    path.chmod(0o600)
    kept = path.read_bytes()[: chance.randrange(size + 1)]
    path.write_bytes(kept + bytes(size - len(kept)))


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Somebody who has used everything that leaves a file."""
    home = tmp_path_factory.mktemp("used")
    command = Command(home)
    command.work.mkdir()
    (command.work / "lib.py").write_text("def haystack():\n    return 1\n")
    (command.work / ".ingle").mkdir()
    (command.work / ".ingle/config.toml").write_text('check = "true"\n')
    config = home / "CONFIG/ingle"
    config.mkdir(parents=True)
    (config / "config.toml").write_text('[ui]\ntheme = "dark"\n[prices]\ninput = 0.5\n')
    (config / "permissions.toml").write_text('allow = [\n    "shell(make test)",\n]\n')
    (config / "mcp.json").write_text(
        '{"mcpServers": {"none": {"command": "true", "args": ["a"], "disabled": true}}}\n'
    )
    assert command.do(FIRST, "find the needle", "--trust").returncode == 0
    assert command.agent("sessions", "search", "needle").returncode == 0
    assert command.agent("search", "haystack").returncode == 0
    return command


def prepared(
    used: Command, home: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Command, Callable[[], None]]:
    """A copy of it in `home`; and what makes the model ready to say something."""
    shutil.copytree(used.home, home, symlinks=True)
    command = Command(home)
    for log in command.logs():
        log.write_bytes(log.read_bytes().replace(bytes(used.home), bytes(home)))
    for name, value in command.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(command.work)
    monkeypatch.setattr("sys.stdin", None)

    def ready() -> None:
        for name in ("find_model", "name_of", "build"):
            monkeypatch.setattr(task, name, getattr(task, name))
        lines = [
            '<tool_call>\n{"name": "shell", "arguments": {"command": "date > d"}}\n</tool_call>',
            "ok",
        ]
        scripted_do.follow({"LINES": lines}, home / "vocabulary")

    return command, ready


def check(
    command: Command, ready: Callable[[], None], capsys: pytest.CaptureFixture[str]
) -> list[str]:
    """Run everything; what was complained about."""
    complaints = []
    for words in COMMANDS:
        ready()
        code = run(words)
        said = capsys.readouterr()
        both = said.out + said.err
        assert "Traceback" not in both and "a defect of agent" not in both, (
            words,
            said.err,
            crash(command),
        )
        assert code in (0, 1, 2, 52, 75, 77), (words, code, said.err)
        errors = [line for line in said.err.splitlines() if line.startswith("agent: error")]
        assert len(errors) <= 1, (words, said.err)
        assert code == 0 or errors or words[0] == "do", (words, code, said.err)
        complaints += errors
    return complaints


def crash(command: Command) -> str:
    log = command.state / "crash.log"
    return log.read_text("utf-8")[-3000:] if log.exists() else ""


# All are cut off; what a wrong bit can turn into something else that can be read, is changed too.
CASES = [(kind, cut) for kind in FILES] + [
    (kind, damage)
    for kind in ("log", "index", "last checkpoint", "checkpoint index", "trust")
    for damage in (flip, zeros)
]


@pytest.mark.parametrize(("kind", "damage"), CASES)
def test_a_damaged_file_is_one_line_at_most(
    used: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str], kind: str, damage: Damage,
) -> None:  # fmt: skip
    chance = random.Random(f"{kind} {damage.__name__}")
    command, ready = prepared(used, tmp_path / "home", monkeypatch)
    found = sorted(p for p in command.home.glob(FILES[kind]) if p.is_file())
    assert found or kind == "pins", "nothing to damage: the test would prove nothing"
    for path in found:
        damage(path, chance)
    check(command, ready, capsys)


def test_a_session_with_a_hole_in_its_tokens_does_not_go_on(command: Command) -> None:
    for number in range(2):
        assert command.do('LINES = ["said"]', *["--continue"][:number], "a task").returncode == 0
    (log,) = command.logs()
    lines = log.read_bytes().splitlines(keepends=True)
    sets = [n for n, line in enumerate(lines) if line.startswith(b'{"type": "log_set"')]
    lines[sets[0]] = lines[sets[0]].replace(b'"start": 0', b'"start": O')
    log.write_bytes(b"".join(lines))
    refused = command.do('LINES = ["said"]', "--continue", "go on")
    assert refused.returncode == 52 and len(refused.stderr.splitlines()) == 1
    assert "is damaged" in refused.stderr and str(log) in refused.stderr
    assert log.read_bytes() == b"".join(lines)
    shown = command.agent("sessions", "show", "last")
    assert shown.returncode == 0 and shown.stdout.count("> a task") == 2
