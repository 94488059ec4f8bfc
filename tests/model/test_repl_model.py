"""The REPL in a terminal with a real model, from the prompt to the end."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import pexpect
import pytest

pytestmark = pytest.mark.model
AGENT = shutil.which("agent", path=str(Path(sys.executable).parent)) or "agent"


def test_a_question_is_answered_and_the_repl_ends(small_model: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    folders = {f"XDG_{name}_HOME": str(tmp_path / name) for name in ("STATE", "CACHE", "CONFIG")}
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("XDG_", "INGLE_"))}
    child = pexpect.spawn(
        AGENT, ["chat", "--plain", "--model", str(small_model), "--ctx", "4096"], cwd=str(work),
        env={**kept, **folders, "HOME": str(tmp_path), "TERM": "xterm", "LANG": "C.UTF-8"},
        encoding="utf-8", dimensions=(40, 100), timeout=600,
    )  # fmt: skip
    child.expect_exact("> ")
    child.sendline("What is 2 + 2? Answer with one number and use no tools.")
    child.expect_exact("done in")
    assert "4" in (child.before or "").split("use no tools.")[-1]
    child.sendline("/exit")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
