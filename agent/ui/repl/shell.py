"""`!command`: a command of the user, with the user's rights, in the user's terminal."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

MOST_KEPT = 200_000  # bytes of the output that are kept for the model: its end
_CHUNK = 65_536


async def run_for_user(command: str, folder: Path, *, keep: bool) -> tuple[int, str]:
    """Run it; the exit code, and with `keep` what it printed, which is shown as it comes."""
    return await asyncio.to_thread(_run, command, folder, keep)


def _run(command: str, folder: Path, keep: bool) -> tuple[int, str]:
    shell = os.environ.get("SHELL") or "/bin/sh"
    print(f"$ {command}" if command.isprintable() else f"$ {command!r}", flush=True)
    try:
        process = subprocess.Popen(
            [shell, "-c", command],
            cwd=folder,
            stdout=subprocess.PIPE if keep else None,
            stderr=subprocess.STDOUT if keep else None,
            preexec_fn=_default_signals,
        )
    except OSError as error:
        text = f"{shell}: {error.strerror}"
        print(text, flush=True)
        return 127, text
    output = _tee(process) if keep else b""
    code = process.wait()
    if not keep:
        print(flush=True)  # nobody knows in which column it has ended
    return (128 - code if code < 0 else code), output.decode("utf-8", "replace")


def _default_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _tee(process: subprocess.Popen[bytes]) -> bytes:
    kept = b""
    assert process.stdout is not None
    out = sys.stdout.buffer
    while chunk := os.read(process.stdout.fileno(), _CHUNK):
        out.write(chunk)
        out.flush()
        kept = (kept + chunk)[-MOST_KEPT:]
    process.stdout.close()
    if kept and not kept.endswith(b"\n"):
        out.write(b"\n")
        out.flush()
    return kept
