"""The shell that starts commands, and the bounds that it sets before it does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tools.sandbox.profiles import Limits

# Fixed places that only root writes.
PROGRAMS = ("/bin/bash", "/usr/bin/bash", "/run/current-system/sw/bin/bash")


def bash() -> str:
    """The system's bash."""
    return next((name for name in PROGRAMS if Path(name).exists()), PROGRAMS[0])


def command_line(command: str) -> tuple[str, ...]:
    """The arguments that run one line of shell."""
    return (bash(), "-c", command)


def bounded(argv: Sequence[str], limits: Limits, *, own_users: bool) -> tuple[str, ...]:
    """`argv` behind a shell that lowers its own limits and becomes `argv`.

    The number of threads is counted for the user: it is only bounded where a user namespace of
    the command's own starts at zero (`own_users`). A limit that is lower already stays.
    """
    steps = ["ulimit -c 0"]
    if limits.file_size:
        steps.append(f"ulimit -f {limits.file_size // 1024}")
    if limits.open_files:
        steps.append(f"ulimit -Hn {limits.open_files} || ulimit -n {limits.open_files}")
    if limits.threads and own_users:
        steps.append(f"ulimit -u {limits.threads}")
    # When memory runs out, the kernel takes the command and not the agent.
    steps.append("echo 900 > /proc/self/oom_score_adj")
    script = "{ " + "; ".join(steps) + '; } 2> /dev/null; exec "$@"'
    return (bash(), "-p", "-c", script, "bash", *argv)
