from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tools.sandbox import bubblewrap, probe
from tools.sandbox.base import Launch, SandboxUnavailable
from tools.sandbox.bubblewrap import Bubblewrap
from tools.sandbox.off import Off
from tools.sandbox.probe import find_sandbox, trial, try_bubblewrap


@dataclass(frozen=True)
class Script:
    """A sandbox that starts a program of the test instead; the command is its argument."""

    program: str
    name: str = "script"
    confines: bool = True

    def launch(self, command: str, workspace: Path) -> Launch:
        return Launch(("/bin/sh", "-c", self.program, "sh", command), {}, workspace)


def test_bubblewrap_is_found_and_its_canary_is_blocked() -> None:
    sandbox, result = try_bubblewrap()
    assert isinstance(sandbox, Bubblewrap)
    assert (result.ok, result.reason, result.canary) == (True, "", "blocked")
    assert find_sandbox() == sandbox
    assert (sandbox.name, sandbox.confines) == ("bubblewrap", True)


def test_the_canary_sees_a_write_outside() -> None:
    result = trial(Off())
    assert (result.ok, result.canary) == (False, "escaped")
    assert "writes" in result.reason


def test_the_canary_sees_a_connection() -> None:
    # Takes the write away, so that the connection alone is left.
    result = trial(Script('exec bash -c "${1#*; echo x > *;}; echo ran > ran"'))
    assert (result.ok, result.canary) == (False, "escaped")
    assert "connections" in result.reason


@pytest.mark.parametrize(
    ("program", "reason"),
    [("echo no namespaces >&2; exit 1", "no namespaces"), ("exit 7", "failed with exit code 7")],
)
def test_a_sandbox_that_does_not_start_says_why(program: str, reason: str) -> None:
    result = trial(Script(program))
    assert not result.ok
    assert result.canary == "not run"
    assert reason in result.reason
    assert "--sandbox off" in result.reason
    assert "\n" not in result.reason


def test_a_sandbox_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "TRIAL_S", 0.2)
    assert "did not answer" in trial(Script("exec sleep 300")).reason


def test_without_a_program_every_command_is_refused_with_what_to_install(
    monkeypatch: pytest.MonkeyPatch, root: Path
) -> None:
    monkeypatch.setattr(bubblewrap, "PROGRAMS", ())
    sandbox = find_sandbox()
    assert (sandbox.name, sandbox.confines) == ("missing", False)
    with pytest.raises(SandboxUnavailable, match=r"apt install bubblewrap.*--sandbox off"):
        sandbox.launch("true", root)


def test_off_is_off() -> None:
    assert find_sandbox("off") == Off()
