"""The JSON form of events: nothing is lost, and other versions do no harm."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent import events
from agent.events import KINDS, CallMade, CallReturned, TurnEnded, from_json, to_json
from agent.messages import Usage

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8)
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)  # fmt: skip
# Arguments keep their lists: only an event's own fields are tuples.
st.register_type_strategy(dict, st.dictionaries(st.text(max_size=5), JSON))
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))


def any_event(kind: type[Any]) -> st.SearchStrategy[Any]:
    values = {
        "arguments": st.dictionaries(st.text(max_size=5), JSON, max_size=3),
        "usage": st.builds(Usage),
        "time": st.floats(0, events.LATEST, exclude_max=True),
    }
    given_here = {f.name: values[f.name] for f in fields(kind) if f.name in values}
    return st.builds(kind, **given_here)


@pytest.mark.parametrize("name", sorted(KINDS))
@given(data=st.data())
def test_every_event_survives_json(name: str, data: st.DataObject) -> None:
    event = data.draw(any_event(KINDS[name]))
    text = json.dumps(to_json(event))
    assert from_json(json.loads(text)) == event
    assert json.loads(text)["type"] == name
    assert text.startswith('{"type": ')


def test_the_kinds_are_all_of_the_union() -> None:
    assert set(KINDS.values()) == set(events.Event.__args__)
    assert KINDS["call_made"] is CallMade
    assert KINDS["turn_ended"] is TurnEnded


@given(JSON)
def test_no_json_object_breaks_the_reader(value: Any) -> None:
    for name in KINDS:
        from_json({"type": name, "usage": value, "x": value})
        from_json({"type": name, "text": value, "tokens": value, "arguments": value})


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"type": "of_tomorrow", "text": "x"},
        {"type": None},
        {"type": ["notice"]},
        {"type": "notice"},
        {"type": "turn_ended", "stop": "answer"},
        {"type": "notice", "text": 5},
        {"type": "log_set", "start": "1", "tokens": [1]},
        {"type": "log_set", "start": 1, "tokens": [1, "2"]},
        {"type": "log_set", "start": 1, "tokens": [1], "parts": [3]},
        {"type": "log_set", "start": True, "tokens": [1]},
        {
            "type": "turn_ended",
            "stop": "answer",
            "answer": "",
            "exit_code": 0,
            "usage": {"prompt": "x"},
        },
        {
            "type": "check_ended",
            "command": "x",
            "passed": True,
            "exit_code": None,
            "text": "",
            "seconds": float("inf"),
        },
    ],
)
def test_what_is_not_known_is_none(data: dict[str, Any]) -> None:
    assert from_json(data) is None


def test_fields_of_a_later_version_are_left_out() -> None:
    ended = TurnEnded("answer", "x", 0, Usage(1, 2, 3))
    data = to_json(ended)
    data["colour"] = "red"
    data["usage"]["cached"] = 9
    assert from_json(data) == ended


def test_fields_that_an_earlier_version_lacked_have_their_defaults() -> None:
    data = to_json(CallReturned("1", "shell", True, "x", exit_code=3, seconds=1.5))
    del data["exit_code"], data["seconds"]
    assert from_json(data) == CallReturned("1", "shell", True, "x")


def test_lists_inside_arguments_stay_lists() -> None:
    made = CallMade("1", "t", {"a": [1, [2]], "b": {"c": []}}, "tag")
    assert from_json(json.loads(json.dumps(to_json(made)))) == made


def test_a_time_that_no_calendar_has_costs_the_time_only() -> None:
    data = {"type": "session_started", "session": "s", "workspace": "/w", "model": "m",
            "n_ctx": 1, "version": "1"}  # fmt: skip
    for time in (-1.0, 1e300):
        found = from_json({**data, "time": time})
        assert isinstance(found, events.SessionStarted) and found.time == 0.0
