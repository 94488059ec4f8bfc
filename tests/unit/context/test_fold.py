"""What to fold, and the text that stands for it: pure decisions."""

from __future__ import annotations

from agent.context.digest import constraints, digest, words_of
from agent.context.fold import Costs, choose_fold, costs_of, pays, stale_tokens
from agent.context.ledger import Ledger, Record
from agent.events import (
    CallMade,
    CallReturned,
    Event,
    LogSet,
    ModelReplied,
    TaskGiven,
)
from agent.messages import Usage

FRONT = 500


def session(rounds: int, *, reply: int = 50, result: int = 150) -> list[Event]:
    """A task, and rounds of a call and its result, each of so many tokens."""
    parts = (("system", "", 300), ("tools", "", 200), ("user", "", 100))
    events: list[Event] = [TaskGiven("do it"), LogSet(0, tuple(range(600)), parts=parts)]
    at = 600
    for i in range(rounds):
        events.append(
            ModelReplied("", (1,) * reply, "stop", Usage(), at, True, (("call", "", reply),))
        )
        events += [
            CallMade(f"{i}.1", "read", {"path": f"f{i}.py"}, "tag"),
            CallReturned(f"{i}.1", "read", True, "x"),
            LogSet(at + reply, (2,) * result, parts=(("result", f"{i}.1", result),)),
        ]
        at += reply + result
    events.append(ModelReplied("", (1,) * reply, "stop", Usage(), at, True))
    return events


def test_the_tail_begins_with_a_message_of_the_model() -> None:
    ledger = Ledger.of(session(30))
    fold = choose_fold(ledger, FRONT, 8192, Costs(), whole=True)
    assert ledger.stretches[fold.tail].is_reply
    kept = sum(len(s.tokens) for s in ledger.stretches[fold.tail :])
    assert 0 < kept <= 8192 // 8


def test_a_large_last_message_goes_too_unless_its_results_are_due() -> None:
    ledger = Ledger.of(session(20, reply=1200))
    assert choose_fold(ledger, FRONT, 8192, Costs(), whole=False).tail == len(ledger.stretches)
    assert choose_fold(ledger, FRONT, 8192, Costs(), whole=True).tail < len(ledger.stretches)


def test_a_beginning_stays_where_enough_is_freed_behind_it() -> None:
    ledger = Ledger.of(session(300))
    fold = choose_fold(ledger, FRONT, 65536, Costs(), whole=True)
    assert fold.start > FRONT
    again = 3000 + sum(len(s.tokens) for s in ledger.stretches[fold.tail :])
    assert ledger.used - fold.start - again >= 3 * again
    assert any(s.end == fold.start and s.is_reply for s in ledger.stretches)


def test_a_beginning_that_is_out_of_date_does_not_stay() -> None:
    events = session(300)
    for i in range(100):
        events += [
            CallMade(f"w{i}", "write", {"path": f"f{i}.py"}, "tag"),
            CallReturned(f"w{i}", "write", True, "", changed=(f"f{i}.py",)),
        ]
    ledger = Ledger.of(events)
    assert stale_tokens(ledger, ledger.stretches[2]) == 150
    assert choose_fold(ledger, FRONT, 65536, Costs(), whole=True).start < 1000


def test_slow_machines_keep_a_shorter_tail() -> None:
    ledger = Ledger.of(session(300))
    fast = choose_fold(ledger, FRONT, 65536, Costs(prefill_s=0.001), whole=True)
    slow = choose_fold(ledger, FRONT, 65536, Costs(prefill_s=0.05), whole=True)
    assert slow.tail > fast.tail


def test_an_early_fold_pays_when_decoding_gets_slow_enough() -> None:
    assert pays(6000, 1000, Costs(0.01, 2e-6), expected=2000)
    assert not pays(6000, 1000, Costs(0.01, 2e-6), expected=500)
    assert not pays(6000, 1000, Costs(0.01, 0.0), expected=10**6)


def test_costs_are_what_the_session_measured() -> None:
    ledger = Ledger()
    for depth in range(0, 10_000, 500):
        usage = Usage(
            prompt=100, prefill_s=0.5, generated=100, decode_s=100 * (0.05 + depth * 3e-6)
        )
        ledger.take(ModelReplied("", (1,), "end", usage, depth))
    costs = costs_of(ledger)
    assert abs(costs.prefill_s - 0.005) < 1e-9
    assert abs(costs.deeper_s - 3e-6) < 1e-9


def test_what_made_a_result_out_of_date() -> None:
    def call(i: int, name: str, changed: tuple[str, ...] = (), **arguments: object) -> list[Event]:
        made = CallMade(str(i), name, dict(arguments), "tag")
        return [made, CallReturned(str(i), name, True, "", changed=changed)]

    ledger = Ledger.of(
        [
            *call(1, "read", path="a.py"),
            *call(2, "read", path="b.py", first_line=10),
            *call(3, "shell", command="make"),
            *call(4, "read", path="a.py"),
            *call(5, "edit", ("b.py",), path="b.py"),
            *call(6, "shell", command="make"),
        ]
    )
    state = {record.handle: record.superseded for record in ledger.records.values()}
    assert state == {"r1": "r4", "r2": "r5", "r3": "r6", "r4": "", "r5": "", "r6": ""}


def user(handle: str, text: str) -> Record:
    return Record(handle, "user", 1, text[:50], text)


def test_the_users_words_come_whole_where_they_fit() -> None:
    assert words_of([user("u1", "first"), user("u2", "second")], 400) == [
        "u1: first",
        "u2: second",
    ]


def test_constraints_stay_word_for_word_where_the_rest_is_cut() -> None:
    story = "It began long ago. " * 100
    said = words_of([user("u1", f"{story}You must never touch config.ini! {story}")], 600)
    assert "You must never touch config.ini!" in said[0]
    assert "[u1 has all of it]" in said[0] and len(said[0]) < 700


def test_a_constraint_is_a_sentence_that_says_how() -> None:
    text = "Hello. Use tabs, not spaces. It is late.\nDon't write to /etc\nBye."
    assert constraints(text) == ["Use tabs, not spaces.", "Don't write to /etc"]


def test_the_newest_lines_stay_and_the_others_are_counted() -> None:
    records = [Record(f"r{i}", "result", 1, f"read file{i}.py") for i in range(1, 200)]
    text = digest(Ledger(), records, 600, recall="")
    assert "r199 read file199.py" in text
    assert "before that: r1 to r" in text
    assert len(text) < 750
