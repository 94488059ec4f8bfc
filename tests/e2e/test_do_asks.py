"""`agent do` on a terminal with a person in front of it: what an MCP server wants to know."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pexpect
import pytest

from tests.faults.command import START
from tests.mcp_servers_used_in_tests.sessions import call
from tests.mcp_servers_used_in_tests.use import PLAIN

# The model says what the server was told.
SAYS = "lambda prompt: 'It said ' + prompt.split('<tool_response>')[1].split()[0] + '.'"


@pytest.fixture
def asked(tmp_path: Path) -> pexpect.spawn[str]:
    """The command, up to the server's question."""
    work = tmp_path / "work"
    work.mkdir()
    (tmp_path / "CONFIG/ingle").mkdir(parents=True)
    servers = {"plain": {"command": sys.executable, "args": [PLAIN], "allow": True}}
    (tmp_path / "CONFIG/ingle/mcp.json").write_text(json.dumps({"mcpServers": servers}))
    (tmp_path / "script.py").write_text(f"LINES = [{call('plain__ask')!r}, {SAYS}]")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "INGLE_"))}
    folders = {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("STATE", "CACHE", "CONFIG")}
    child = pexpect.spawn(
        sys.executable,
        [str(START), str(tmp_path / "script.py"), "do", "ask me with @plain", "--sandbox", "off"],
        cwd=str(work), env={**kept, **folders, "PYTHONPATH": str(Path(__file__).parents[2])},
        encoding="utf-8", timeout=60, dimensions=(24, 100),
    )  # fmt: skip
    child.expect_exact("the MCP server plain asks: Which colour?")
    return child


@pytest.mark.parametrize(
    ("typed", "said"), [("d\r", "It said accepted."), ("n\r", "It said decline.")]
)
def test_a_person_answers_a_server(asked: pexpect.spawn[str], typed: str, said: str) -> None:
    asked.expect_exact("[d] blue")
    asked.expect_exact("Which?")
    asked.send(typed)
    asked.expect_exact(said)
    asked.expect(pexpect.EOF)
    asked.close()
    assert asked.exitstatus == 0


def test_the_end_of_input_is_no_answer(asked: pexpect.spawn[str]) -> None:
    asked.expect_exact("Which?")
    asked.sendeof()
    asked.expect_exact("It said decline.")
