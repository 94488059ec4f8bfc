"""Which step of a check failed: the last commands that bash ran, told behind the check's output.

`build && test && tool | grep -q x` says nothing where its last step finds nothing; a person runs it
step by step then, and looks at what `grep` was given. Commands are told as they are written: what a
variable holds may be a secret.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

MOST_COMMANDS = 3
LONGEST = 200  # characters of a command
MOST_READ = 1_000  # bytes of what grep was given
_FD = 9
# What a grep was given stays where it failed. pipefail is off around tee: grep may end before it,
# and only grep says whether it found something. The user's options (set -eu) hold up to the trap.
_HEAD = """\
__code=
if __trace=$(mktemp -d 2>/dev/null) && exec {fd}>"$__trace/commands"; then
  trap '__code=$?
    set +euf
    [ $__code = 0 ] || {{ echo; echo {mark}; tail -n 40 "$__trace/commands"; echo {mark}
      set -- "$__trace"/read.*; head -c {most} "${{!#}}" 2>/dev/null; }}
    rm -rf "$__trace"' EXIT
  grep() {{
    if [ -p /dev/stdin ]; then
      local read="$__trace/read.$BASHPID"
      (set +o pipefail; tee "$read" | command grep "$@" && rm -f "$read")
    else
      command grep "$@"
    fi
  }}
  set -T
  trap '[ -n "$__code${{FUNCNAME-}}" ] || printf "+ %s\\n" "$BASH_COMMAND" >&{fd}' DEBUG
fi
"""


@dataclass(frozen=True)
class Told:
    """The output of the user's command, its last commands where it failed, and what a `grep` among
    them was given through a pipe and failed on."""

    output: str
    commands: tuple[str, ...] = ()
    read: str = ""


@dataclass(frozen=True)
class Traced:
    """`text` is the command to run in place of the user's."""

    text: str
    mark: str

    def split(self, output: str) -> Told:
        """What of an output is the user's command's, and what is told of it."""
        parts = output.rsplit(f"\n{self.mark}\n", 2)
        if len(parts) != 3:
            return Told(output)
        own, ran, read = parts
        lines = [line for line in ran.splitlines() if line.startswith("+ ")]
        # The first command of the EXIT trap tells the last one once more.
        commands = [line.removeprefix("+ ")[:LONGEST] for line in lines[:-1]][-MOST_COMMANDS:]
        # The commands of a pipe are told in any order.
        is_grep = any(command.startswith("grep ") for command in commands)
        return Told(own, tuple(commands), read.strip("\n") if is_grep else "")


def traced(command: str) -> Traced:
    """`command` so that it tells its last commands when it fails."""
    mark = f"trace-{secrets.token_hex(8)}"
    return Traced(_HEAD.format(fd=_FD, mark=mark, most=MOST_READ) + command, mark)
