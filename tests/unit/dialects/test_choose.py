"""Each of the makers' templates is spoken to as its family, and the others through themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.dialects.choose import FAMILIES, JINJA, choose_dialect, known_name
from agent.dialects.jinja import JinjaDialect
from agent.errors import ModelUnavailable, UsageError
from agent.messages import Segment, System, ToolOutput, User
from tests.tiny_gguf import TEMPLATE_FILE
from tests.unit.dialects.rendering import rendered, text
from tests.unit.dialects.templates import template, template_names

FAMILY_OF = {
    "GLM-4.6": "glm4.5",
    "GLM-4.7-Flash": "glm4.7",
    "MiMo-VL": "qwen2.5",
    "Qwen-QwQ-32B": "qwen3",
    "Qwen-Qwen2.5-7B-Instruct": "qwen2.5",
    "Qwen-Qwen3-0.6B": "qwen3",
    "Qwen3-Coder": "qwen3-coder",
    "Qwen3.5-4B": "qwen3.5",
    "deepseek-ai-DeepSeek-V3.1": "deepseek-v3.1",
    "mistralai-Ministral-3-14B-Reasoning-2512": "mistral",
    "unsloth-mistral-Devstral-Small-2507": "mistral",
}
# It asks for functions under a name of its own.
REFUSED = ["fireworks-ai-llama-3-firefunction-v2"]


def families_of(source: str) -> list[str]:
    return [family.name for family in FAMILIES if family.matches(source)]


def test_every_template_has_the_family_it_is_of() -> None:
    found = {name: families_of(template(name)) for name in template_names()}
    assert {name: names for name, names in found.items() if names} == {
        name: [family] for name, family in FAMILY_OF.items()
    }
    assert families_of(TEMPLATE_FILE.read_text("utf-8")) == ["qwen2.5"]
    assert families_of((Path(__file__).parent / "instruct.jinja").read_text("utf-8")) == ["qwen2.5"]


def test_every_other_template_speaks_for_itself() -> None:
    refused = []
    others = sorted(set(template_names()) - set(FAMILY_OF))
    assert len(others) > 50
    for name in others:
        try:
            assert isinstance(choose_dialect(template(name), blocks=True), JinjaDialect), name
        except ModelUnavailable:
            refused.append(name)
    assert refused == REFUSED


def test_a_maker_who_took_anothers_template_is_of_that_family() -> None:
    """MiMo's differs from Qwen2.5's in a system text that ours takes the place of."""
    dialect = choose_dialect(template("MiMo-VL"), blocks=False)
    results = [ToolOutput("1", "read", "a"), ToolOutput("2", "read", "b")]
    log = [
        *dialect.front(System("S")),
        *dialect.delta([User("hi")], first=True, ended=True),
        Segment("Hm.<|im_end|>"),
        *dialect.delta(results, first=False, ended=True),
    ]
    talk = [("system", "S"), ("user", "hi"), ("assistant", "Hm."), ("tool", "a"), ("tool", "b")]
    messages = [{"role": role, "content": content} for role, content in talk]
    assert text(log) == rendered(template("MiMo-VL"), messages, [])


def test_the_user_has_the_last_word() -> None:
    llama = template("meta-llama-Llama-3.2-3B-Instruct")
    for family in FAMILIES:
        assert choose_dialect(llama, blocks=True, family=family.name) == family.make(llama, True)
        assert type(choose_dialect("", blocks=True, family=family.name.upper())) is type(
            family.make("", True)
        )
    qwen = template("Qwen-Qwen3-0.6B")
    assert isinstance(choose_dialect(qwen, blocks=True, family=JINJA), JinjaDialect)


@pytest.mark.parametrize(("family", "near"), [("quen3", "qwen3"), ("deepseek", "deepseek-v3.1")])
def test_an_unknown_family_is_answered_with_the_nearest(family: str, near: str) -> None:
    with pytest.raises(UsageError, match=f"did you mean --family {near}\\?"):
        known_name(family)
    with pytest.raises(UsageError, match=family):
        choose_dialect("", blocks=True, family=family)


def test_every_name_of_a_family_is_known() -> None:
    names = [family.name for family in FAMILIES]
    assert [known_name(name) for name in names] == names
    assert (known_name(""), known_name("JINJA"), len(set(names))) == ("", JINJA, len(names))


@pytest.mark.parametrize("family", ["", JINJA])
def test_a_file_without_a_template_needs_a_family(family: str) -> None:
    with pytest.raises(ModelUnavailable, match=r"no chat template.*--family.*qwen2\.5"):
        choose_dialect("", blocks=True, family=family)


def test_special_tokens_reach_the_template() -> None:
    source = "{{ bos_token }}{% for m in messages %}{{ m.content }}{{ eos_token }}{% endfor %}"
    dialect = choose_dialect(source, blocks=True, bos="<s>", eos="</s>")
    assert text(dialect.front(System(""))) == "<s>"
    assert text(dialect.delta([User("u")], first=False, ended=True)) == "u</s>"
