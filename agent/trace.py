"""Which step of a check failed: the last commands that bash ran, told behind the check's output.

`build && test && tool | grep -q x` says nothing where its last step finds nothing; a person runs it
step by step then. Commands are told as they are written: what a variable holds may be a secret.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

MOST_COMMANDS = 3
LONGEST = 200  # characters of a command
_FD = 9
_HEAD = """\
if __trace=$(mktemp 2>/dev/null) && exec {fd}>"$__trace"; then
  trap '__code=$?; [ $__code = 0 ] || {{ echo; echo {mark}; tail -n 40 "$__trace"; }}
    rm -f "$__trace"' EXIT
  set -T
  trap '[ -n "$__code" ] || printf "+ %s\\n" "$BASH_COMMAND" >&{fd}' DEBUG
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
        # The first command of the EXIT trap tells the last one once more.
        commands = [line.removeprefix("+ ")[:LONGEST] for line in lines[:-1]]
        return own, commands[-MOST_COMMANDS:]


def traced(command: str) -> Traced:
    """`command` so that it tells its last commands when it fails."""
    mark = f"trace-{secrets.token_hex(8)}"
    return Traced(_HEAD.format(fd=_FD, mark=mark) + command, mark)
