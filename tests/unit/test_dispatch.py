from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from agent.dispatch import Dispatcher
from agent.messages import ToolCall
from agent.policy import Policy
from tools.base import Arguments, Tool, ToolContext, ToolResult
from tools.catalog import default_tools
from tools.output import OutputStore
from tools.sandbox.missing import Missing
from tools.sandbox.off import Off
from tools.workspace import Workspace


class CountArguments(Arguments):
    path: str
    times: int = Field(default=1, ge=1)


@pytest.fixture
def seen() -> list[tuple[CountArguments, ToolContext]]:
    return []


@pytest.fixture
def dispatcher(tmp_path: Path, seen: list[Any]) -> Dispatcher:
    """One tool that notes what it was run with, and the real ones."""

    async def run(arguments: CountArguments, context: ToolContext) -> ToolResult:
        seen.append((arguments, context))
        return ToolResult("counted")

    tool = Tool("count", "Count.", CountArguments, run)
    context = ToolContext(Workspace(tmp_path), Off(), OutputStore(None))
    policy = Policy(confined=False, sandbox_off_by_user=True)
    return Dispatcher((tool, *default_tools()), context, policy, lambda _command: False)


def call(name: str, **arguments: Any) -> ToolCall:
    return ToolCall("1", name, arguments)


async def test_a_call_runs_with_typed_arguments_and_its_limit(
    dispatcher: Dispatcher, seen: list[Any]
) -> None:
    result, denied = await dispatcher.run(call("count", path="a", times=2), limit=321)
    assert (result.text, result.ok, denied) == ("counted", True, False)
    ((arguments, context),) = seen
    assert arguments == CountArguments(path="a", times=2)
    assert context.output.limit == 321
    assert context.workspace is dispatcher.context.workspace


async def test_an_unknown_tool(dispatcher: Dispatcher) -> None:
    result, denied = await dispatcher.run(call("Count", path="a"), limit=1000)
    assert (result.ok, denied) == (False, False)
    assert result.text == (
        "there is no tool 'Count'; there are: count, read, write, edit, list, grep, shell"
    )


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "path: Field required"),
        ({"path": 1}, "path: Input should be a valid string"),
        ({"path": "a", "times": 0}, "times: Input should be greater than or equal to 1"),
        ({"path": "a", "often": 1}, "often: Extra inputs are not permitted"),
        ({"path": None, "times": "x"}, "times: Input should be a valid integer"),
    ],
)
async def test_wrong_arguments_are_explained(
    dispatcher: Dispatcher, seen: list[Any], arguments: dict[str, Any], problem: str
) -> None:
    result, denied = await dispatcher.run(ToolCall("1", "count", arguments), limit=1000)
    assert (result.ok, denied, seen) == (False, False, [])
    assert result.text.startswith("count was not run: ")
    assert problem in result.text
    assert result.text.endswith(
        'Its arguments are {"path": {"type": "string"}, '
        '"times": {"default": 1, "minimum": 1, "type": "integer"}}'
    )


async def test_a_command_without_a_sandbox_is_refused(
    dispatcher: Dispatcher, tmp_path: Path
) -> None:
    lonely = replace(dispatcher, policy=Policy(confined=False))
    result, denied = await lonely.run(call("shell", command="touch made"), limit=1000)
    assert (result.ok, denied) == (False, True)
    assert "no sandbox" in result.text
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("answer", [True, False])
async def test_a_person_decides_about_a_command(
    dispatcher: Dispatcher, tmp_path: Path, answer: bool
) -> None:
    asked: list[str] = []

    def ask(command: str) -> bool:
        asked.append(command)
        return answer

    asking = replace(
        dispatcher,
        policy=Policy(confined=False, can_ask=True),
        context=replace(dispatcher.context, sandbox=Missing("no bubblewrap")),
        ask=ask,
    )
    result, denied = await asking.run(call("shell", command="touch made"), limit=1000)
    assert (result.ok, denied) == (answer, not answer)
    assert asked == ["touch made"]
    assert (tmp_path / "made").exists() is answer


async def test_nobody_is_asked_about_a_wrong_call(dispatcher: Dispatcher) -> None:
    asked: list[str] = []

    def ask(command: str) -> bool:
        asked.append(command)
        return True

    asking = replace(dispatcher, policy=Policy(confined=False, can_ask=True), ask=ask)
    await asking.run(call("shell", cmd="ls"), limit=1000)
    assert asked == []


async def test_output_is_cut_to_the_limit(dispatcher: Dispatcher) -> None:
    result, _ = await dispatcher.run(call("shell", command="seq 100000"), limit=500)
    assert len(result.text) < 800
    assert result.text.startswith("1\n2\n")
    assert "100000\nexit code 0" in result.text


def test_the_specs_are_those_of_the_tools(dispatcher: Dispatcher) -> None:
    specs = {spec.name: spec for spec in dispatcher.specs()}
    assert list(specs) == [tool.name for tool in dispatcher.tools]
    assert specs["write"].raw == ("content",)
    assert specs["count"].parameters["required"] == ["path"]
