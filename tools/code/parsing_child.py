"""Parses files that it is sent; a program of its own, since a grammar may crash or never end.

Whoever starts it may kill it at any time. Requests and answers are a line of JSON; a request is
followed by the bytes of the text:

    {"path": [...], "memory": bytes, "cpu": seconds}   ->  {}
    {"language": name, "size": bytes} BYTES            ->  {"d": ..., "r": ...} or {"error": text}

The process ends by SIGPROF when one text takes more than `cpu` seconds of its own time.
Run with ``python -I -S``: what it imports is found along the `path` that it is told.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from typing import Any


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is for the parent
    requests, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)  # whatever prints cannot be taken for an answer
    first = json.loads(requests.readline())
    sys.path[:] = first["path"]
    from tools.code.plain import to_plain
    from tools.code.symbols import parse

    _limit(first["memory"])
    answer: dict[str, Any] = {}
    answers.write(b"{}\n")
    answers.flush()
    for line in requests:
        request = json.loads(line)
        data = requests.read(request["size"])
        _limit_time(first["cpu"])
        try:
            answer = to_plain(parse(request["language"], data))
        except Exception as error:  # noqa: BLE001 - one text that fails is no reason to end
            answer = {"error": f"{type(error).__name__}: {error}"[:400]}
        _limit_time(0)
        answers.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
        answers.flush()


def _limit_time(seconds: float) -> None:
    """Count from now on; 0 ends the counting. Also holds when nobody is left to kill us."""
    if hasattr(signal, "setitimer"):  # not on Windows; there the parent's clock is all
        signal.setitimer(signal.ITIMER_PROF, seconds)


def _limit(memory: int) -> None:
    """Bound the memory; from here on nothing can be written and no process started."""
    try:
        import resource
    except ImportError:  # Windows
        return
    bounds = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, most in bounds.items():
        # macOS refuses some of them
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(kind, (most, most))


if __name__ == "__main__":
    main()
