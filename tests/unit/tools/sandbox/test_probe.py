# The profile is an argument of the interface.
# ruff: noqa: ARG002
from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tools.sandbox import bubblewrap, landlock, probe
from tools.sandbox.base import Launch, SandboxUnavailable
from tools.sandbox.bubblewrap import Bubblewrap
from tools.sandbox.canary import ATTACKS
from tools.sandbox.landlock import Landlock
from tools.sandbox.off import Off
from tools.sandbox.probe import find_sandbox, trial, try_bubblewrap, try_landlock
from tools.sandbox.profiles import READ_ONLY, WORKSPACE, Profile


@dataclass(frozen=True)
class Script:
    """A sandbox that starts a program of the test instead; the command is its arguments."""

    program: str
    name: str = "script"
    confines: bool = True
    profile: Profile = WORKSPACE

    def with_profile(self, profile: Profile) -> Script:
        return replace(self, profile=profile)

    def launch(self, command: str, workspace: Path) -> Launch:
        return self.wrap(("/bin/bash", "-c", command), workspace)

    def wrap(self, argv: Sequence[str], workspace: Path, profile: Profile | None = None) -> Launch:
        return Launch(("/bin/sh", "-c", self.program, "sh", *argv), {}, workspace)


@dataclass(frozen=True)
class WithHole(Script):
    """Bubblewrap with more rights than a workspace's, or with some options left out."""

    hole: Profile = WORKSPACE
    without: tuple[str, ...] = ()

    def wrap(self, argv: Sequence[str], workspace: Path, profile: Profile | None = None) -> Launch:
        whole = Bubblewrap("/usr/bin/bwrap")
        launch = whole.wrap(argv, workspace, self.hole)
        kept = tuple(word for word in launch.argv if word not in self.without)
        return replace(launch, argv=kept)


def test_bubblewrap_is_found_and_its_canary_is_blocked() -> None:
    sandbox, result = try_bubblewrap()
    assert isinstance(sandbox, Bubblewrap)
    assert (result.ok, result.reason, result.canary) == (True, "", "blocked")
    assert [name for name, _ in result.attacks] == list(ATTACKS)
    assert find_sandbox() == sandbox
    assert (sandbox.name, sandbox.confines) == ("bubblewrap", True)


def test_the_canary_gets_out_by_each_way_where_there_is_no_sandbox() -> None:
    result = trial(Off())
    assert (result.ok, result.canary) == (False, "escaped")
    assert [end for _, end in result.attacks] == ["escaped"] * len(ATTACKS)
    assert all(name in result.reason for name in ATTACKS)


@pytest.mark.parametrize(
    ("hole", "without", "ways"),
    [
        (replace(WORKSPACE, network=True), (), ["connect"]),
        (replace(WORKSPACE, local_sockets=True), (), ["unix socket"]),
        (replace(WORKSPACE, writable=(Path(tempfile.gettempdir()),)), (), ["write"]),
        (WORKSPACE, ("--unshare-net",), ["connect"]),
        (replace(WORKSPACE, git="writable"), (), ["git folder"]),
    ],
    ids=["network", "sockets", "folder", "namespace", "git"],
)
def test_the_canary_finds_a_hole(hole: Profile, without: tuple[str, ...], ways: list[str]) -> None:
    result = trial(WithHole("", hole=hole, without=without))
    assert result.canary == "escaped", result
    assert [name for name, end in result.attacks if end == "escaped"] == ways


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
    with pytest.raises(SandboxUnavailable, match=r"install.*bubblewrap.*--sandbox off"):
        sandbox.launch("true", root)
    with pytest.raises(SandboxUnavailable):
        sandbox.wrap(["true"], root)


def test_without_bubblewrap_landlock_confines_what_only_reads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bubblewrap, "PROGRAMS", ())
    sandbox = find_sandbox("auto", READ_ONLY)
    assert isinstance(sandbox, Landlock)
    assert sandbox.confines
    assert not sandbox.with_profile(WORKSPACE).confines
    assert find_sandbox("landlock", WORKSPACE).name == "missing"


def test_an_old_kernel_has_no_landlock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landlock, "landlock_abi", lambda: 2)
    found, result = try_landlock()
    assert found is None
    assert "newer" in result.reason


def test_off_is_off() -> None:
    assert find_sandbox("off") == Off()
