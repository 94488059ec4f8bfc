"""Which step of a check failed: the last commands that bash ran, told behind the check's output.

`build && test && tool | grep -q x` says nothing where its last step finds nothing; a person runs it
step by step then. Bash's own trace goes into a file of its own, so that the output stays as it is.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

MOST_COMMANDS = 3
LONGEST = 200  # characters of a command
_FD = 9
# BASH_XTRACEFD came with bash 4.1; the system's bash of a Mac is older.
_HEAD = """\
if ((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 401)) &&
  __trace=$(mktemp 2>/dev/null) && exec {fd}>"$__trace"; then
  BASH_XTRACEFD={fd}
  trap '__code=$?; set +x; [ $__code = 0 ] || {{ echo; echo {mark}; tail -n 40 "$__trace"; }}
    rm -f "$__trace"' EXIT
  set -x
fi
"""


@dataclass(frozen=True)
class Traced:
    """`text` is the command to run in place of the user's."""

    text: str
    mark: str

    def split(self, output: str) -> tuple[str, list[str]]:
        """The output of the user's command, and its last commands where it failed."""
        own, mark, behind = output.rpartition(f"\n{self.mark}\n")
        if not mark:
            return output, []
        lines = [line for line in behind.splitlines() if line.startswith("+ ")]
        ended = next((i for i, line in enumerate(lines) if line.startswith("+ __code=")), None)
        commands = [line.removeprefix("+ ")[:LONGEST] for line in lines[:ended]]
        return own, commands[-MOST_COMMANDS:]


def traced(command: str) -> Traced:
    """`command` so that it tells its last commands when it fails."""
    mark = f"trace-{secrets.token_hex(8)}"
    return Traced(_HEAD.format(fd=_FD, mark=mark) + command, mark)
