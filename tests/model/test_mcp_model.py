"""The default model calls a tool of a real server, from the command to the answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from agent.config import Folders
from tests.mcp_servers_used_in_tests import warehouse

pytestmark = pytest.mark.model
AGENT = str(Path(sys.executable).with_name("agent"))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Folders of its own; the models stay where they are."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "INGLE_"))}
    folders = {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("STATE", "CACHE", "CONFIG")}
    return {**kept, **folders, "INGLE_MODELS": str(Folders.from_env().models)}


def events(environment: dict[str, str], folder: Path, *arguments: str) -> list[dict[str, Any]]:
    command = [AGENT, "do", "--ctx", "4096", "--max-turns", "5", "--output", "stream-json"]
    done = subprocess.run(
        [*command, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("known", [True, False])
def test_the_default_model_calls_a_server(
    environment: dict[str, str], default_model: Path, tmp_path: Path, *, known: bool
) -> None:
    """The server stands in the prompt if its tools are known, and else is named in the message."""
    folder = tmp_path / "work"
    folder.mkdir()
    settings = tmp_path / "CONFIG" / "ingle" / "mcp.json"
    settings.parent.mkdir(parents=True)
    # Where they lie below /tmp, a server would not see its own program.
    needs = [sys.prefix, str(Path(warehouse.__file__).parents[2])]
    entry = {"command": sys.executable, "args": [warehouse.__file__], "allow": True, "read": needs}
    settings.write_text(json.dumps({"mcpServers": {"warehouse": entry}}), "utf-8")
    task = "How many pieces of the part QX-7 are in stock?"
    if known:
        subprocess.run(
            [AGENT, "mcp", "approve", "--yes", "warehouse"], cwd=folder, env=environment, check=True
        )
    else:
        task = f"@warehouse {task}"
    told = events(environment, folder, task, "-m", str(default_model))
    calls = [event for event in told if event["type"] == "call_made"]
    assert [call["name"] for call in calls] == ["warehouse__stock"]
    assert calls[0]["arguments"] == {"part": "QX-7"}
    assert str(warehouse.PIECES["QX-7"]) in told[-1]["answer"]
