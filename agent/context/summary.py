"""Notes that the model makes on its own work before its earlier messages are folded.

Only what nobody else knows is asked for: the user's words, the files that were written and the
checks are known exactly. The form is a grammar, so that a small model can fill it in.
"""

from __future__ import annotations

import json
import re

GRAMMAR = r"""start: "{" done ", " decided ", " failed ", " next "}"
done: "\"done\": [" some "]"
decided: "\"decided\": [" few "]"
failed: "\"failed\": [" few "]"
next: "\"next\": " item
some: item (", " item){0,3}
few: (item (", " item){0,3})?
item: /"[^"\\\n]{4,118}"/
"""
HEADS = {"done": "Done", "decided": "Decided", "failed": "Failed", "next": "Next"}
MOST_TOKENS = 320
LEAST_FACTS = 2
_NOTHING = {"none", "nothing", "n/a", "no", "null", "unknown", "not applicable"}
_SECTION = re.compile(r'"(done|decided|failed|next)": ')
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


def summary_tokens(n_ctx: int) -> int:
    """What a summary may take of the window."""
    return min(MOST_TOKENS, max(96, n_ctx // 24))


def clean(text: str) -> tuple[str, str]:
    """The notes as a short text, without what says nothing; or '' and why they are refused.

    Notes that were cut off count as far as they are complete.
    """
    sections = _SECTION.split(text)[1:]
    lines: list[str] = []
    facts: set[str] = set()
    repeated = 0
    for name, body in zip(sections[::2], sections[1::2], strict=True):
        said = [json.loads(match[0]).strip() for match in _STRING.finditer(body)]
        kept = []
        for fact in said:
            if fact.lower() in facts:
                repeated += 1
            elif fact.lower().rstrip(".") not in _NOTHING:
                facts.add(fact.lower())
                kept.append(f"- {fact}")
        if kept:
            lines += [f"{HEADS[name]}:", *kept]
    if not sections:
        return "", "it does not have the form"
    if repeated > len(facts):
        return "", "it says the same over and over"
    if len(facts) < LEAST_FACTS:
        return "", "it says nothing"
    return "\n".join(lines), ""
