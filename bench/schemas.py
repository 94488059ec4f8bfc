"""Two constraint engines on the same JSON Schemas, and what constraints cost for each token.

A row of the file has `schema` and `tests`, each with `data` and `valid`. An instance is written as
Python's json.dumps does, keys in the order that it has them, and is accepted when an engine lets
every token pass and then the end. Nothing is sampled and no weights are loaded. Seconds are those
of the processor, which other work on the machine does not change.

The other engine is llama.cpp's grammar sampler behind the converter that llama-cpp-python has; the
newer one of llama.cpp itself is not in its C interface.
"""

from __future__ import annotations

import ctypes
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import llama_cpp.llama_cpp as C
import numpy as np
from llama_cpp.llama_grammar import json_schema_to_gbnf

from agent.dialects.grammar import arguments_grammar, call_grammar, copied_grammar
from agent.engine import native
from agent.engine.constrain import Constrainer, Constraint
from agent.errors import IngleError
from agent.messages import ToolSpec, Values
from agent.schema import grammar, why_unsupported
from bench.common import resolved
from tools.catalog import default_tools

VOCABULARY = "qwen2.5-coder-0.5b"
TOKEN_S = 0.070  # of the default model on two cores, from `bench.run speed`
MASKS = 8  # tokens of a schema for which the whole mask is timed
ROOT = Path(__file__).parent.parent


class Match(Protocol):
    """One instance under one grammar; `ends`: nothing more is needed."""

    def allows(self, token: int) -> bool: ...

    def accept(self, token: int) -> None: ...

    def mask(self) -> None: ...

    def ends(self) -> bool: ...


@dataclass
class Score:
    """Counts over a file; seconds as they were taken."""

    compiled: int = 0
    accepted: int = 0
    refused: int = 0
    right: int = 0  # schemas of which every instance was judged right
    refusals: list[str] = field(default_factory=list)
    compile_s: list[float] = field(default_factory=list)
    token_s: list[float] = field(default_factory=list)
    mask_s: list[float] = field(default_factory=list)


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def run(rows: Sequence[dict[str, Any]]) -> None:
    """Both engines on all rows, then the grammars of calls."""
    with vocabulary() as model:
        started = time.thread_time()
        constrainer = Constrainer(model)
        constrainer.start('start: "a"\n', "")
        print(f"llguidance's view of the vocabulary: {time.thread_time() - started:.2f} s, once")
        engines: dict[str, Callable[[Any], Callable[[], Match]]] = {
            "llguidance": lambda schema: guided(constrainer, schema),
            "llama.cpp's GBNF": lambda schema: gbnf(model, schema),
        }
        for name, compiled in engines.items():
            print_score(name, score(rows, compiled, model), rows)
        calls(constrainer, model)


@contextmanager
def vocabulary() -> Iterator[native.Model]:
    native.silence()
    model = native.Model(resolved(VOCABULARY).path, progress=lambda _done: True, vocab_only=True)
    try:
        yield model
    finally:
        model.free()


def score(
    rows: Sequence[dict[str, Any]],
    compiled: Callable[[Any], Callable[[], Match]],
    model: native.Model,
) -> Score:
    total = Score()
    for row in rows:
        started = time.thread_time()
        try:
            begin = compiled(row["schema"])
        except IngleError as error:
            total.refusals.append(f"{row['id']}: {error}")
            continue
        total.compile_s.append(time.thread_time() - started)
        total.compiled += 1
        judged = [
            (bool(test["valid"]), passes(begin(), tokens_of(model, test["data"]), total))
            for test in row["tests"]
        ]
        total.accepted += sum(valid and passed for valid, passed in judged)
        total.refused += sum(not valid and not passed for valid, passed in judged)
        total.right += all(valid == passed for valid, passed in judged)
        valid = next((test["data"] for test in row["tests"] if test["valid"]), None)
        if valid is not None:
            total.mask_s += masks(begin(), tokens_of(model, valid)[:MASKS])
    return total


def tokens_of(model: native.Model, data: Any) -> list[int]:
    return model.tokenize(json.dumps(data, ensure_ascii=False), control=False)


def passes(match: Match, tokens: Sequence[int], total: Score | None = None) -> bool:
    """Whether the tokens are a whole text of the grammar; times each check with its step."""
    for token in tokens:
        started = time.thread_time()
        allowed = match.allows(token)
        if allowed:
            match.accept(token)
        if total is not None:
            total.token_s.append(time.thread_time() - started)
        if not allowed:
            return False
    return match.ends()


def masks(match: Match, tokens: Sequence[int]) -> list[float]:
    """Seconds for the mask over the whole vocabulary before each token."""
    taken = []
    for token in tokens:
        started = time.thread_time()
        match.mask()
        taken.append(time.thread_time() - started)
        if not match.allows(token):
            break
        match.accept(token)
    return taken


def print_score(name: str, total: Score, rows: Sequence[dict[str, Any]]) -> None:
    tests = [test for row in rows for test in row["tests"]]
    valid = sum(bool(test["valid"]) for test in tests)
    print(f"\n{name}")
    print(f"  schemas compiled          {total.compiled} of {len(rows)}")
    print(f"  valid instances accepted  {total.accepted} of {valid}")
    print(f"  invalid ones refused      {total.refused} of {len(tests) - valid}")
    print(f"  schemas wholly right      {total.right} of {len(rows)}")
    print(f"  compile                   {spread(total.compile_s, 1e3)} ms")
    print(f"  check and step            {spread(total.token_s, 1e6)} µs a token")
    print(f"  mask                      {spread(total.mask_s, 1e6)} µs")
    for refusal in total.refusals:
        print(f"  not compiled: {refusal[:160]}")


def spread(seconds: Sequence[float], unit: float) -> str:
    if not seconds:
        return "nothing measured in"
    return f"{statistics.median(seconds) * unit:.1f} (most {max(seconds) * unit:.1f})"


# --- llguidance ----------------------------------------------------------------------------------


@dataclass
class Guided:
    """A :class:`Match` of llguidance."""

    constraint: Constraint
    row: Any
    newline: int

    def allows(self, token: int) -> bool:
        return self.constraint.allows(token)

    def accept(self, token: int) -> None:
        self.constraint.accept(token)

    def mask(self) -> None:
        self.constraint.mask(self.row)

    def ends(self) -> bool:
        return self.constraint.allows(self.newline)


def guided(constrainer: Constrainer, schema: Any) -> Callable[[], Match]:
    model = constrainer._model
    if reason := why_unsupported(schema):
        raise IngleError(reason)
    lark = grammar(schema)
    row = np.zeros(model.n_vocab, np.float32)
    (newline,) = model.tokenize("\n", control=False)
    started(constrainer, lark)
    return lambda: Guided(started(constrainer, lark), row, newline)


def started(constrainer: Constrainer, lark: str) -> Constraint:
    constraint = constrainer.start(lark, "")
    if constraint is None:
        raise IngleError("over llguidance's limits")
    return constraint


# --- llama.cpp's GBNF ----------------------------------------------------------------------------


class Gbnf:
    """A :class:`Match` of llama.cpp's grammar sampler."""

    def __init__(self, sampler: Any, model: native.Model):
        self._sampler = C.llama_sampler_clone(sampler)
        self._model = model
        self._all = (C.llama_token_data * model.n_vocab)()
        for token in range(model.n_vocab):
            self._all[token].id = token
        self._one = (C.llama_token_data * 1)()

    def __del__(self) -> None:
        C.llama_sampler_free(self._sampler)

    def _apply(self, data: Any, size: int) -> None:
        array = C.llama_token_data_array(data=data, size=size, selected=-1, sorted=False)
        C.llama_sampler_apply(self._sampler, ctypes.byref(array))

    def allows(self, token: int) -> bool:
        self._one[0].id, self._one[0].logit = token, 0.0
        self._apply(self._one, 1)
        return bool(self._one[0].logit == 0.0)

    def accept(self, token: int) -> None:
        C.llama_sampler_accept(self._sampler, token)

    def mask(self) -> None:
        self._apply(self._all, self._model.n_vocab)

    def ends(self) -> bool:
        return self.allows(C.llama_vocab_eos(self._model.vocab))


def gbnf(model: native.Model, schema: Any) -> Callable[[], Match]:
    # Without this the converter wants the keys in alphabetical order.
    order = list(dict.fromkeys(property_names(schema)))
    try:
        text = json_schema_to_gbnf(json.dumps(schema), prop_order=order)
    except Exception as error:
        raise IngleError(f"the converter fails: {type(error).__name__} {error}") from error
    with no_stderr():
        sampler = C.llama_sampler_init_grammar(model.vocab, text.encode(), b"root")
    if not sampler:
        raise IngleError(f"llama.cpp refuses the grammar: {native.last_errors()}")
    return lambda: Gbnf(sampler, model)


def property_names(schema: Any) -> Iterator[str]:
    """The keys of all `properties`, in the order of the text."""
    children = schema.values() if isinstance(schema, dict) else schema
    if isinstance(schema, dict) and isinstance(schema.get("properties"), dict):
        yield from schema["properties"]
    if isinstance(schema, (dict, list)):
        for child in children:
            yield from property_names(child)


@contextmanager
def no_stderr() -> Iterator[None]:
    """llama.cpp prints a grammar that it refuses, past its own log."""
    kept = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


# --- calls ---------------------------------------------------------------------------------------


def calls(constrainer: Constrainer, model: native.Model) -> None:
    """What the grammars of calls cost with the files of a project in them."""
    print(f"\nCalls; a token of the default model takes {TOKEN_S * 1e3:.0f} ms")
    text = "".join(p.read_text("utf-8") for p in sorted((ROOT / "agent").rglob("*.py")))
    for count in (0, 100, 1000, 2000):
        paths = [f"src/part{i % 37}/group{i % 11}/module_{i}.py" for i in range(count)]
        tools = specs(paths, "")
        path = paths[-1] if paths else "src/a.py"
        said = json.dumps({"name": "read", "arguments": {"path": path, "first_line": 40}})
        cost(f"call, {count:,} paths", constrainer, partial(call_grammar, tools), model, said)
    (edit,) = [tool for tool in specs(["a.py"], "") if tool.name == "edit"]
    args = {"path": "a.py", "old": "x = 1\n", "new": text[3000:3400]}
    said = json.dumps(args, ensure_ascii=False) + "}"
    cost("edit, any old", constrainer, lambda: arguments_grammar(edit), model, said)
    for size in (4_000, 12_000, 16_000, 36_000):
        file = text[:size]
        (edit,) = [tool for tool in specs(["a.py"], file) if tool.name == "edit"]
        half = file.index("\n", size // 2) + 1
        tail = {"old": file[half : half + 400], "new": file[half : half + 400]}
        said = f", {json.dumps(tail, ensure_ascii=False)[1:]}}}"
        label = f"edit, old of a file of {size:,} characters"
        cost(label, constrainer, partial(copied_grammar, edit, '"a.py"'), model, said)


def specs(paths: Sequence[str], text: str) -> list[ToolSpec]:
    """The default tools over a made-up project."""
    return [
        ToolSpec(
            tool.name,
            tool.description,
            tool.parameters(),
            tool.raw,
            Values(lambda: paths, tool.copied, lambda _path: text) if tool.existing else None,
        )
        for tool in default_tools()
    ]


def cost(
    label: str, constrainer: Constrainer, lark: Callable[[], str], model: native.Model, said: str
) -> None:
    """Print what `said` costs under a grammar, as seconds and as a share of its decoding."""
    begun = time.thread_time()
    constraint = started(constrainer, lark())
    compile_s = time.thread_time() - begun
    tokens = model.tokenize(said, control=False)
    total, steps = Score(), []
    row = np.zeros(model.n_vocab, np.float32)
    match = Guided(constraint, row, 0)
    steps = masks(Guided(started(constrainer, lark()), row, 0), tokens)
    passes(match, tokens, total)
    assert len(total.token_s) == len(tokens), f"{label}: refused at {len(total.token_s)}"
    share = (compile_s + sum(total.token_s)) / (len(tokens) * TOKEN_S)
    print(
        f"  {label:<38} compile {compile_s * 1e3:6.1f} ms, check and step "
        f"{spread(total.token_s, 1e6)} µs, mask {spread(steps, 1e6)} µs; "
        f"{100 * share:.2f}% of {len(tokens)} tokens"
    )
