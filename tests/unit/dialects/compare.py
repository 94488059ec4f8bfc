"""Compare what ingle writes with what a chat template renders that is not at hand here.

    python -m tests.unit.dialects.compare FILE [NAME=VALUE ...]

FILE is a template or a GGUF; NAME=VALUE are variables of the template, as in
`reasoning_effort=medium` or `clear_thinking=false`. Prints how many generated conversations were
equal, or the shortest that is not, and exits with 1 then.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from jinja2 import TemplateError

from agent.dialects.chatml import declaration
from agent.dialects.choose import choose_dialect
from agent.messages import Message, System, ToolSpec
from agent.models.gguf import read_header
from tests.unit.dialects.dialogues import TEXT, rounds
from tests.unit.dialects.rendering import as_dict, rendered, text

CONVERSATIONS = 500
# A system text of blanks is never sent, and the makers' templates are of two minds about it.
SYSTEMS = TEXT.filter(lambda text: not text or bool(text.strip()))
SPEC = ToolSpec("read", "Read.", {"type": "object", "properties": {"path": {"type": "string"}}})


class Differs(AssertionError):
    """A conversation that the two write differently; the message shows both."""


def source_of(path: Path) -> str:
    """The template in a file, or in a GGUF's header."""
    if path.suffix != ".gguf":
        return path.read_text("utf-8")
    return read_header(path).chat_template


def compare(source: str, options: Mapping[str, object], count: int = CONVERSATIONS) -> int:
    """How many conversations were equal, of about `count`. Raises Differs."""
    dialect = choose_dialect(source, blocks=False)
    seen = 0

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=True,
        report_multiple_bugs=False,
        phases=[Phase.generate, Phase.shrink],
    )
    @given(rounds(most=3), SYSTEMS, st.sampled_from([(), (SPEC,)]))
    def equal(messages: list[Message], system: str, tools: Sequence[ToolSpec]) -> None:
        nonlocal seen
        seen += 1
        front = dialect.front(System(system, tuple(tools)))
        ours = text([*front, *dialect.delta(messages, first=True, ended=True)])
        first = [as_dict(System(system))] if system else []
        said = [*first, *(as_dict(message) for message in messages)]
        try:
            theirs = rendered(source, said, [declaration(tool) for tool in tools], **options)
        except (ValueError, TemplateError) as error:
            raise Differs(f"{json.dumps(said)}\n--- the template refuses: {error}") from None
        if ours != theirs:
            raise Differs(f"{json.dumps(said)}\n--- the template\n{theirs}\n--- ingle\n{ours}")

    equal()
    return seen


def value_of(word: str) -> object:
    """A variable of the command line: JSON, or else a word."""
    try:
        return json.loads(word)
    except ValueError:
        return word


def main(arguments: Sequence[str]) -> int:
    """The command; returns its exit code."""
    if not arguments:
        print(__doc__)
        return 2
    file, *pairs = arguments
    options = {name: value_of(word) for name, _, word in (pair.partition("=") for pair in pairs)}
    try:
        print(f"equal over {compare(source_of(Path(file)), options):,} conversations")
    except Differs as differs:
        print(differs)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
