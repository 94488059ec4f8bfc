"""Which dialect a model speaks, read off its own chat template."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches

from agent.dialects.base import Dialect
from agent.dialects.chatml import is_qwen3, is_qwen25, qwen3, qwen25
from agent.dialects.deepseek import deepseek, is_deepseek
from agent.dialects.glm import glm45, glm47, is_glm45, is_glm47
from agent.dialects.jinja import JinjaDialect
from agent.dialects.mistral import is_mistral, mistral
from agent.dialects.qwen_xml import is_qwen3_coder, is_qwen35, qwen3_coder, qwen35
from agent.errors import ModelUnavailable, UsageError


@dataclass(frozen=True)
class Family:
    """Models that are spoken to in one way.

    `matches` looks at the text of a chat template and says whether it is one of this family; no
    template may match two. `make` gets the template ('' where the user named the family and the
    file has none) and whether code travels outside of JSON.
    """

    name: str
    matches: Callable[[str], bool]
    make: Callable[[str, bool], Dialect]


def _without_bos(matches: Callable[[str], bool]) -> Callable[[str], bool]:
    """Other makers took these forms over, with a begin of text that Qwen's vocabularies lack."""
    return lambda template: "bos_token" not in template and matches(template)


FAMILIES: tuple[Family, ...] = (
    Family("qwen2.5", _without_bos(is_qwen25), qwen25),
    Family("qwen3", _without_bos(is_qwen3), qwen3),
    Family("qwen3-coder", is_qwen3_coder, qwen3_coder),
    Family("qwen3.5", is_qwen35, qwen35),
    Family("glm4.5", is_glm45, glm45),
    Family("glm4.7", is_glm47, glm47),
    Family("deepseek-v3.1", is_deepseek, deepseek),
    Family("mistral", is_mistral, mistral),
)
JINJA = "jinja"  # any other: whatever the template renders


def choose_dialect(
    chat_template: str, *, blocks: bool, family: str = "", bos: str = "", eos: str = ""
) -> Dialect:
    """The dialect for a template; `blocks` says that code travels outside of JSON.

    `family` is the user's word and counts more than the template. `bos` and `eos` are how the
    vocabulary writes its own begin and end, '' where it has none.

    Raises:
        UsageError: there is no family of that name.
        ModelUnavailable: there is no template, or one that no conversation can be held with.
    """
    name = known_name(family)
    for known in FAMILIES:
        if name == known.name or (not name and known.matches(chat_template)):
            return known.make(chat_template, blocks)
    if not chat_template:
        raise ModelUnavailable(
            "this model's file has no chat template: name the family it is of with --family "
            f"({', '.join(known.name for known in FAMILIES)}), or choose another model with -m"
        )
    return JinjaDialect(chat_template, blocks=blocks, bos=bos, eos=eos)


def known_name(family: str) -> str:
    """The family's name as it stands in the list; '' stays ''. Raises UsageError."""
    name = family.lower()
    names = [known.name for known in FAMILIES]
    if not name or name in (*names, JINJA):
        return name
    near = get_close_matches(name, [*names, JINJA], n=1, cutoff=0.0)
    raise UsageError(
        f"there is no family {family!r}: did you mean --family {near[0]}? "
        f"(there are {', '.join(names)}, and {JINJA} for any other)"
    )
