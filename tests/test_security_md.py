"""SECURITY.md names a test for each promise; a test that went away takes its promise along."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
TEXT = (TESTS.parent / "SECURITY.md").read_text("utf-8")


def defined_tests() -> set[str]:
    files = TESTS.rglob("test_*.py")
    return {name for f in files for name in re.findall(r"def (test_\w+)", f.read_text("utf-8"))}


def test_every_test_that_is_named_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named) > 40
    assert named <= defined_tests(), named - defined_tests()


def test_every_promise_names_a_test() -> None:
    """In every table but the one of the tiers; a tier that is not tested says so."""
    rows = [line for line in TEXT.splitlines() if line.startswith("|")]
    kinds = ("| promise", "| limit", "| tier", "|--")
    bare = [row for row in rows if not row.startswith(kinds) and "`test_" not in row]
    assert [row.split("|")[1].strip() for row in bare] == ["bubblewrap", "seatbelt"]
    assert "not tested" in bare[1]


def test_the_promises_rest_on_attacks() -> None:
    """At least 42 of those in tests/attacks stand here by name."""
    attacks = re.findall(r"\n(?:async )?def (test_\w+)", "".join(
        file.read_text("utf-8") for file in sorted((TESTS / "attacks").glob("test_*.py"))
    ))  # fmt: skip
    named = set(re.findall(r"`(test_\w+)`", TEXT))
    assert len(named & set(attacks)) >= 42


def test_what_is_not_promised_is_said() -> None:
    said = TEXT.split("## What is not promised")[1].split("\n## ")[0]
    for word in ("workspace itself", "PYTHONPATH", "kernel", "Side channels", "Landlock's gaps"):
        assert word in said


def test_the_limits_are_those_of_the_code() -> None:
    from tools.sandbox.profiles import GIB, Limits
    from tools.shell import LONGEST_S, ShellArguments

    limits = Limits()
    assert f"| {limits.processes:,} |" in TEXT
    assert f"| {limits.file_size // GIB} GiB |" in TEXT
    assert f"| {limits.disk // GIB} GiB |" in TEXT
    assert f"| {limits.scratch // GIB} GiB each |" in TEXT
    assert f"| {limits.output // GIB} GiB printed" in TEXT
    assert f"| {limits.open_files:,}, none |" in TEXT
    assert f"| {ShellArguments(command='x').timeout_s} s, at most {LONGEST_S} |" in TEXT
