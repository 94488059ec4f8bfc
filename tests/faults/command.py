"""The real `agent` command in processes that break: killed, without room, without folders."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
START = Path(__file__).with_name("scripted_do.py")
AGENT = str(Path(sys.executable).with_name("agent"))
HELPERS = """
import json
from pathlib import Path
def call(name, **arguments):
    return "<tool_call>\\n" + json.dumps({"name": name, "arguments": arguments}) + "\\n</tool_call>"
"""


@dataclass(frozen=True)
class Command:
    """A user with folders of their own; `agent` runs in `work`."""

    home: Path

    @property
    def work(self) -> Path:
        return self.home / "work"

    @property
    def state(self) -> Path:
        return self.home / "STATE/ingle"

    @property
    def environment(self) -> dict[str, str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "INGLE_"))}
        folders = {f"XDG_{n}_HOME": str(self.home / n) for n in ("STATE", "CACHE", "CONFIG")}
        return {**kept, **folders, "HOME": str(self.home), "PYTHONPATH": str(ROOT)}

    def scripted(self, script: str, *arguments: str) -> list[str]:
        """The words of a command whose model follows `script` (see scripted_do)."""
        (self.home / "script.py").write_text(f"{HELPERS}\n{script}\n", "utf-8")
        return [sys.executable, str(START), str(self.home / "script.py"), *arguments]

    def do(
        self, script: str, *arguments: str, around: tuple[str, ...] = (), **changed: str
    ) -> subprocess.CompletedProcess[str]:
        """Run `agent do`; `around` stands before the command, `changed` are variables."""
        return self.run([*around, *self.scripted(script, "do", *arguments)], **changed)

    def agent(self, *arguments: str, **changed: str) -> subprocess.CompletedProcess[str]:
        """Run `agent` as it is."""
        return self.run([AGENT, *arguments], **changed)

    def run(self, words: list[str], **changed: str) -> subprocess.CompletedProcess[str]:
        """A variable that is changed to '' is not there."""
        variables = {k: v for k, v in {**self.environment, **changed}.items() if v}
        return subprocess.run(
            words, cwd=self.work, env=variables, input="",
            capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip

    def start(self, words: list[str]) -> subprocess.Popen[str]:
        """The same without waiting; stdin is empty, stdout and stderr are pipes."""
        return subprocess.Popen(
            words, cwd=self.work, env=self.environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace",
        )  # fmt: skip

    def logs(self) -> list[Path]:
        return sorted(self.state.glob("sessions/*/events.jsonl"))

    def events(self, number: int = -1) -> list[dict[str, Any]]:
        """The whole lines of a log."""
        found = []
        for line in self.logs()[number].read_bytes().split(b"\n"):
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
        return found


def with_disk(folder: Path, size: str) -> tuple[str, ...]:
    """What stands before a command that finds a disk of this size at `folder`, empty and its own;
    it is gone with the command."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = 'mount -t tmpfs -o size="$1" none "$0" && shift && exec "$@"'
    return ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(folder), size)


def read_only(folder: Path) -> tuple[str, ...]:
    """What stands before a command that finds all of `folder` read-only, whoever runs it."""
    mount = 'mount --bind "$0" "$0" && mount -o remount,bind,ro "$0" && exec "$@"'
    return ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(folder))


def in_order(done: subprocess.CompletedProcess[str]) -> bool:
    """No traceback, and no word of a defect of ours."""
    said = done.stdout + done.stderr
    return "Traceback" not in said and "a defect of agent" not in said
