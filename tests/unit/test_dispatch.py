from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from agent.approval import Answer, ApprovalRequest
from agent.dispatch import Dispatcher, telling
from agent.events import ApprovalAsked, ApprovalGiven
from agent.hooks import Hook, Hooks
from agent.messages import ToolCall
from agent.policy import Decision, Grants, Policy, Rule
from agent.policy.grants import load
from tools.base import Arguments, Tool, ToolContext, ToolResult
from tools.catalog import default_tools
from tools.output import OutputStore
from tools.sandbox.missing import Missing
from tools.sandbox.off import Off
from tools.workspace import Workspace

# A tool that the policy does not know is asked about.
COUNT = Rule(Decision.ALLOW, "count")


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
    return Dispatcher((tool, *default_tools()), context, Policy("off", rules=(COUNT,)))


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
    lonely = replace(dispatcher, policy=Policy())
    result, denied = await lonely.run(call("shell", command="touch made"), limit=1000)
    assert (result.ok, denied) == (False, True)
    assert "no sandbox" in result.text
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("answer", [True, False])
async def test_a_person_decides_about_a_command(
    dispatcher: Dispatcher, tmp_path: Path, answer: bool
) -> None:
    asked: list[str] = []

    async def ask(question: ApprovalRequest) -> Answer:
        asked.append(question.detail)
        return Answer("once" if answer else "no")

    asking = replace(
        dispatcher,
        policy=Policy(can_ask=True),
        context=replace(dispatcher.context, sandbox=Missing("no bubblewrap")),
        ask=ask,
    )
    result, denied = await asking.run(call("shell", command="touch made"), limit=1000)
    assert (result.ok, denied) == (answer, not answer)
    assert asked == ["touch made"]
    assert (tmp_path / "made").exists() is answer


async def test_nobody_is_asked_about_a_wrong_call(dispatcher: Dispatcher) -> None:
    asked: list[ApprovalRequest] = []

    async def ask(question: ApprovalRequest) -> Answer:
        asked.append(question)
        return Answer("once")

    asking = replace(dispatcher, policy=Policy(can_ask=True), ask=ask)
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


class Person:
    """Somebody who answers always the same, and remembers what they were shown."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.seen: list[ApprovalRequest] = []

    async def __call__(self, question: ApprovalRequest) -> Answer:
        self.seen.append(question)
        return self.answer


def asking(dispatcher: Dispatcher, person: Person) -> Dispatcher:
    """In mode ask, with somebody there."""
    return replace(dispatcher, policy=Policy("off", "ask", can_ask=True), ask=person)


async def test_a_write_is_shown_as_a_diff_before_it_is_done(
    dispatcher: Dispatcher, tmp_path: Path
) -> None:
    (tmp_path / "a.py").write_text("x = 1\ny = 2\n")
    person = Person(Answer("no", "y is needed"))
    desk = asking(dispatcher, person)
    await desk.run(call("read", path="a.py"), limit=1000)
    result, denied = await desk.run(call("edit", path="a.py", old="y = 2\n", new=""), limit=1000)
    (question,) = person.seen
    assert question.diff.endswith("@@ -1,2 +1 @@\n x = 1\n-y = 2\n")
    assert (question.tool, question.headline) == ("edit", "edit a.py")
    assert question.folder == str(tmp_path)
    assert question.pattern == "edit(a.py)"
    assert (result.text, denied) == ("edit was not run: the user said no: y is needed", True)
    assert (tmp_path / "a.py").read_text() == "x = 1\ny = 2\n"

    person.answer = Answer("once")
    result, denied = await desk.run(call("write", path="b.py", content="z = 3\n"), limit=1000)
    assert (result.ok, denied) == (True, False)
    assert "+z = 3" in person.seen[1].diff
    assert result.diff == person.seen[1].diff


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("edit", {"path": "a.py", "old": "q", "new": ""}),
        ("edit", {"path": "../a", "old": "q", "new": ""}),
        ("write", {"path": "a.py", "content": "new"}),
        ("write", {"path": ".git/config", "content": "x"}),
    ],
)
async def test_nobody_is_asked_about_what_cannot_be_done(
    dispatcher: Dispatcher, tmp_path: Path, name: str, arguments: dict[str, str]
) -> None:
    (tmp_path / "a.py").write_text("x = 1\n")
    person = Person(Answer("once"))
    result, denied = await asking(dispatcher, person).run(call(name, **arguments), limit=1000)
    assert (result.ok, denied, person.seen) == (False, False, [])


async def test_a_file_that_changes_while_the_question_stands_is_not_overwritten(
    dispatcher: Dispatcher, tmp_path: Path
) -> None:
    path = tmp_path / "a.py"
    path.write_text("x = 1\n")

    async def ask(_question: ApprovalRequest) -> Answer:
        path.write_text("x = 2\n")
        return Answer("once")

    desk = replace(dispatcher, policy=Policy("off", "ask", can_ask=True), ask=ask)
    await desk.run(call("read", path="a.py"), limit=1000)
    result, _ = await desk.run(call("edit", path="a.py", old="x = 1\n", new="x = 3\n"), limit=1000)
    assert not result.ok
    assert path.read_text() == "x = 2\n"


@pytest.mark.parametrize(("kind", "asked"), [("once", 2), ("session", 1), ("always", 1)])
async def test_how_long_a_yes_holds(
    dispatcher: Dispatcher, tmp_path: Path, kind: Any, asked: int
) -> None:
    person = Person(Answer(kind))
    grants = Grants(tmp_path / "config")
    desk = replace(asking(dispatcher, person), grants=grants)
    for _ in range(2):
        result, _denied = await desk.run(call("shell", command="touch made"), limit=1000)
        assert result.ok
    assert len(person.seen) == asked
    await desk.run(call("shell", command="touch other"), limit=1000)
    assert len(person.seen) == asked + 1
    kept = [rule.text for rule in load(tmp_path / "config")]
    assert kept == (["shell(touch made)", "shell(touch other)"] if kind == "always" else [])


async def test_a_copy_asks_nobody_and_writes(dispatcher: Dispatcher, tmp_path: Path) -> None:
    person = Person(Answer("once"))
    place = tmp_path / "copy"
    place.mkdir()
    copy = asking(dispatcher, person).in_copy(Workspace(place))
    result, _ = await copy.run(call("write", path="a.py", content="x\n"), limit=1000)
    assert result.ok and (place / "a.py").exists()
    result, denied = await copy.run(call("shell", command="touch made"), limit=1000)
    assert (result.ok, denied, person.seen) == (False, True, [])


async def test_a_refusal_names_its_rule(dispatcher: Dispatcher) -> None:
    rules = (Rule(Decision.DENY, "shell", "git push"),)
    strict = replace(dispatcher, policy=Policy("off", rules=rules))
    result, denied = await strict.run(call("shell", command="git  push"), limit=1000)
    assert denied
    assert result.text == (
        "shell was not run: a rule says deny (rule: deny shell(git push)). "
        "Do not try it again: go on without it, or say what you need."
    )


async def test_rules_see_through_links(dispatcher: Dispatcher, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "link").symlink_to("secret")
    rules = (Rule(Decision.DENY, "edit", "secret/**"),)
    strict = replace(dispatcher, policy=Policy("off", rules=rules))
    for path in ("secret/a", "link/a", "./x/../secret/a"):
        _, denied = await strict.run(call("write", path=path, content="x"), limit=1000)
        assert denied, path
    assert list((tmp_path / "secret").iterdir()) == []


async def test_questions_and_answers_are_events() -> None:
    events: list[Any] = []
    ask = telling(Person(Answer("no", "because")), events.append)
    question = ApprovalRequest("shell", "ls", "ls", "", "/work", "why", "rule", "shell(ls)")
    assert await ask(question) == Answer("no", "because")
    assert events == [
        ApprovalAsked("shell", "ls", "ls", "", "/work", "why", "rule", "shell(ls)"),
        ApprovalGiven("no", "because"),
    ]


def hooked(dispatcher: Dispatcher, event: str, code: str, told: list[str]) -> Dispatcher:
    """With a real command as a hook; what it tells the user goes to `told`."""
    hook = Hook(event, (sys.executable, "-c", code))
    folder = dispatcher.context.workspace.root
    return replace(dispatcher, hooks=Hooks((hook,), "here", folder, told.append))


async def test_a_hook_stops_a_call_before_anybody_is_asked(
    dispatcher: Dispatcher, seen: list[Any]
) -> None:
    asked: list[ApprovalRequest] = []

    async def ask(question: ApprovalRequest) -> Answer:
        asked.append(question)
        return Answer("once")

    told: list[str] = []
    code = 'print(\'{"allow": false, "reason": "not today", "note": "stopped it"}\')'
    guarded = hooked(dispatcher, "before_tool", code, told)
    guarded = replace(guarded, ask=ask, policy=Policy("off", "ask", can_ask=True))
    result, denied = await guarded.run(call("count", path="a"), limit=100)
    assert not result.ok and denied and "not today" in result.text
    assert (seen, asked, told) == ([], [], ["stopped it"])
    copy = guarded.in_copy(guarded.context.workspace)
    allowed = replace(copy, policy=Policy("off", rules=(COUNT,)))
    result, denied = await allowed.run(call("count", path="a"), limit=100)
    assert denied and seen == []  # nor where it is only tried


@pytest.mark.parametrize(
    ("code", "says"), [("print('hi')", "no JSON object"), ("raise SystemExit(2)", "exit code 2")]
)
async def test_a_hook_that_goes_wrong_stops_nothing(
    dispatcher: Dispatcher, seen: list[Any], code: str, says: str
) -> None:
    told: list[str] = []
    result, denied = await hooked(dispatcher, "before_tool", code, told).run(
        call("count", path="a"), limit=100
    )
    assert result.ok and not denied and len(seen) == 1
    assert len(told) == 1 and says in told[0]


async def test_a_hook_hears_of_a_call_after_it_and_not_of_one_in_a_copy(
    dispatcher: Dispatcher, tmp_path: Path
) -> None:
    code = "import sys; open('heard', 'a').write(sys.stdin.read() + chr(10))"
    listening = hooked(dispatcher, "after_tool", code, [])
    await listening.run(call("count", path="a"), limit=100)
    await listening.in_copy(listening.context.workspace).run(call("count", path="b"), limit=100)
    (heard,) = [json.loads(line) for line in (tmp_path / "heard").read_text().splitlines()]
    assert heard == {
        "event": "after_tool", "session": "here", "folder": str(tmp_path), "tool": "count",
        "arguments": {"path": "a"}, "ok": True, "text": "counted",
    }  # fmt: skip
