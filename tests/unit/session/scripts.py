"""A long session as events, with facts in it that have to be found again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from agent.events import (
    CallMade,
    CallReturned,
    CheckEnded,
    Event,
    ModelReplied,
    SessionStarted,
    TaskGiven,
    TextDelta,
    ThinkingDelta,
    TurnEnded,
)
from agent.messages import Usage


@dataclass(frozen=True)
class Fact:
    """`text` stands in the session as `kind`; `query` asks for it, `needle` proves it was found."""

    kind: str
    text: str
    query: str
    needle: str


# What asks is in other words than what was said, or is a name as code writes it.
FACTS = (
    Fact("user", "Remember: the staging database listens on port 5433, not on the usual one.",
         "which port does the staging database listen on", "5433"),
    Fact("user", "All amounts of money are kept as integers in cents, never as floats.",
         "how do we keep money amounts", "cents"),
    Fact("user", "Deployments happen on Tuesdays only, after Marguerite has signed off.",
         "who has to sign off a deployment", "Marguerite"),
    Fact("user", "Please keep the public name `compute_invoice_total`, three clients import it.",
         "compute_invoice_total", "three clients"),
    Fact("user", "The licence header of new files is the one of the EUPL, version 1.2.",
         "license header for new files EUPL", "EUPL"),
    Fact("user", "Sollte etwas schiefgehen, ist das Notfallpasswort im Tresor hinter der Küche.",
         "Notfallpasswort Küche", "Tresor"),
    Fact("answer", "I chose exponential backoff, a cap of 45 seconds for the uploader's retries.",
         "what is the cap of the backoff when uploads are retried", "45 seconds"),
    Fact("answer", "The flaky test was caused by a timezone: the fixture used America/Halifax.",
         "cause of the flaky test timezone", "Halifax"),
    Fact("answer", "We decided to drop support for Python 3.8, since asyncio.TaskGroup is needed.",
         "why was python 3.8 support dropped", "TaskGroup"),
    Fact("answer", "The parser is a hand-written recursive descent, as pyparsing was too slow.",
         "why not pyparsing", "recursive descent"),
    Fact("thinking", "The cache key forgets the tenant, so tenants could see each other's carts.",
         "tenants cache key problem", "forgets the tenant"),
    Fact("thinking", "The watermark column must be monotonic or the importer loses rows.",
         "watermark monotonic importer", "loses rows"),
    Fact("result", "WARNING config.loader: MAX_UPLOAD_BYTES is 26214400, from /etc/parcel.toml",
         "MAX_UPLOAD_BYTES", "26214400"),
    Fact("result", "class RetryPolicyRegistry(BaseRegistry):  # owner: team-lighthouse",
         "RetryPolicyRegistry", "team-lighthouse"),
    Fact("result", "class LedgerSnapshotWriter:  # flushes every 512 rows",
         "ledger snapshot writer flush rows", "512"),
    Fact("result", "def parseHttpHeader(raw):  # accepts at most 8190 bytes",
         "parse http header bytes", "8190"),
    Fact("result", "def normalise_phone_number(text):  # E.164, default region PT",
         "normalise_phone_number", "region PT"),
    Fact("result", "error[E0502]: cannot borrow `ledger` as mutable, src/book.rs:88:13",
         "E0502", "src/book.rs:88"),
    Fact("result", "fatal: unable to access remote 'heron': certificate expired on 2031-02-17",
         "when did the certificate of remote heron expire", "2031-02-17"),
    Fact("result", "kafka.bootstrap = broker-7.internal:19092",
         "kafka bootstrap broker", "19092"),
    Fact("result", "commit 9f31c0de17 Revert \"Use pooled sessions\" (breaks SAML)",
         "which commit reverted pooled sessions", "9f31c0de17"),
    Fact("result", "FEATURE_FLAG_DARK_LAUNCH=quokka",
         "FEATURE_FLAG_DARK_LAUNCH", "quokka"),
    Fact("result", "p99 of /checkout was 912 ms before the index and 87 ms after",
         "latency of checkout p99 after adding the index", "87 ms"),
    Fact("kept", "row 70123 is corrupt: negative quantity in warehouse Zwolle",
         "warehouse with negative quantity", "Zwolle"),
    Fact("kept", "SEGV in libfrobnicate.so.3 at frob_twiddle+0x4c",
         "frob_twiddle", "libfrobnicate"),
    Fact("kept", "leaked 48 handles of type EpollWaiter",
         "leaked handles", "48 handles"),
    Fact("call", "RETENTION_DAYS = 397  # thirteen months, as the auditors asked",
         "how many retention days did the auditors ask for", "397"),
    Fact("call", "curl -s https://status.example.org/api/v9/incidents?id=INC-20418",
         "INC-20418", "incidents"),
    Fact("check", "FAILED tests/test_geo.py::test_antimeridian - AssertionError: 179.9 != -180.1",
         "antimeridian test failure", "179.9"),
    Fact("check", "FAILED tests/test_tax.py::test_rounding_half_even - Decimal('0.125')",
         "half even rounding test", "0.125"),
)  # fmt: skip


def words(text: str) -> list[str]:
    return text.split()


# Words of the facts in other company: what asks for a fact finds these too.
_NEAR = (
    "the production database listens on its usual port", "port the module to the new interface",
    "deployment finished, signed build uploaded", "money is tight in this test, keep amounts low",
    "retry the upload", "the cap of the queue was reached", "flaky network, test again",
    "cache key computed for the cart", "python 3.11 is supported", "drop the table before the test",
    "certificate renewed, remote reachable", "commit the session and revert the lock",
    "checkout index page rendered in 14 ms", "the warehouse has a positive quantity",
    "retention is a word that auditors like", "rounding up to the nearest half",
    "kafka consumer rebalanced", "the tenant was created", "status of the incident is open",
    "the header of the table", "leaked a file name in the log", "invoice printed", "a class",
)  # fmt: skip
_NOUNS = words(
    "order basket shelf invoice parcel customer courier address ticket session token buffer index "
    "worker queue report budget stock price vendor region profile avatar message thread folder "
    "branch commit module schema column cursor batch window layout widget button colour margin"
)
_VERBS = words(
    "load store fetch render update delete merge split parse format check validate count find sort "
    "group send receive open close lock release start stop retry skip copy move rename build"
)


class Script:
    """Makes the events; the same seed makes the same ones."""

    def __init__(self, seed: int = 7) -> None:
        self.random = random.Random(seed)

    def word(self) -> str:
        return self.random.choice(self.random.choice([_NOUNS, _VERBS]))

    def sentence(self) -> str:
        if self.random.random() < 0.15:
            return self.random.choice(_NEAR)
        return " ".join(self.word() for _ in range(self.random.randint(5, 14)))

    def code(self) -> str:
        name = f"{self.random.choice(_VERBS)}_{self.random.choice(_NOUNS)}"
        other = f"{self.random.choice(_NOUNS).title()}{self.random.choice(_NOUNS).title()}"
        number = self.random.randint(1, 99_999)
        return (
            f"def {name}(self, {self.word()}: {other}) -> int:\n"
            f"    # {self.sentence()}\n    return self.{name}_{self.word()}({number})\n"
        )

    def log(self) -> str:
        where = f"{self.word()}.{self.word()}"
        return f"2031-03-{self.random.randint(1, 28):02d} INFO {where}: {self.sentence()}\n"

    def output(self, lines: int = 30) -> str:
        make = self.random.choice([self.code, self.log])
        return "".join(make() for _ in range(lines))

    def amid(self, fact: str, lines: int = 30) -> str:
        """The fact on a line of its own somewhere in an output."""
        return f"{self.output(self.random.randint(1, lines))}{fact}\n{self.output(lines)}"

    def turn(self, number: int, fact: Fact | None, kept: str = "") -> Iterator[Event]:
        """One turn of a session; `kept` is the cut form of an output that is in a file."""

        def said(kind: str, text: str) -> str:
            here = fact.text if fact is not None and fact.kind == kind else ""
            return f"{text} {here}".strip()

        def amid(kind: str, lines: int) -> str:
            there = fact is not None and fact.kind == kind
            return self.amid(fact.text, lines) if fact and there else self.output(lines)

        yield TaskGiven(said("user", self.sentence()))
        yield ThinkingDelta(said("thinking", self.sentence()))
        yield TextDelta("begun")
        yield ModelReplied(self.sentence(), (1, 2), "end", Usage())
        path = f"src/{self.word()}/{self.word()}.py"
        call = f"{number}.0"
        if fact is not None and fact.kind == "call":
            yield CallMade(call, "write", {"path": path, "content": amid("call", 10)}, "block")
        else:
            yield CallMade(call, "shell", {"command": f"cat {path}"}, "tag")
        yield CallReturned(call, "shell", True, kept or amid("result", 30), seconds=0.1)
        failed = fact is not None and fact.kind == "check"
        if failed or number % 10 == 0:
            yield CheckEnded("pytest -q", not failed, int(failed), amid("check", 8), 1.0)
        yield ModelReplied(said("answer", self.sentence()), (3,), "end", Usage(), 9, True)
        yield TurnEnded("answer", "", 0, Usage())


def started(session: str) -> SessionStarted:
    return SessionStarted(session, "/work/project", "tiny", 4096, 1e9, "0.1.0")


def long_session(turns: int) -> Iterator[tuple[Fact | None, str, Iterator[Event]]]:
    """`turns` turns with all facts among them: each with its fact, and the text of an output that
    is too long to stand in the log."""
    script = Script()
    places = sorted(script.random.sample(range(turns), len(FACTS)))
    facts = list(FACTS)
    script.random.shuffle(facts)
    at = dict(zip(places, facts, strict=True))
    for number in range(turns):
        fact = at.get(number)
        whole = ""
        if fact is not None and fact.kind == "kept":
            whole = script.output(1_200) + fact.text + "\n" + script.output(1_200)
        yield fact, whole, script.turn(number, fact, "{kept}" if whole else "")
