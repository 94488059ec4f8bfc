"""What the long sessions of the benchmarks read: reports of plants, and facts in some of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

FILES = 120
FILE_CHARS = 8_000  # of text, at four characters a token in the scripted engine
THINGS = (
    "port of the staging server", "owner of the north gate", "seed of the random draw",
    "height of the third tower", "colour of the spare valve", "year of the first audit",
    "code of the back door", "name of the night ferry", "limit of the small crane",
    "price of the old pump", "depth of the east well", "weight of the steel door",
    "day of the fire drill", "phone of the harbour master", "size of the water tank",
    "key of the archive room", "speed of the coal belt", "age of the main boiler",
    "brand of the radio set", "length of the south pier", "title of the safety film",
    "shelf of the blue manual", "number of the freight lift", "voltage of the yard lamps",
    "grade of the engine oil", "date of the roof repair", "pressure of the air line",
    "city of the pump maker", "model of the label printer", "room of the works council",
)  # fmt: skip


@dataclass(frozen=True)
class Fact:
    thing: str
    value: str

    @property
    def sentence(self) -> str:
        return f"The {self.thing} is {self.value}."

    @property
    def question(self) -> str:
        return f"What is the {self.thing}?"


def plant_facts(rng: random.Random) -> list[Fact]:
    return [Fact(thing, f"{rng.choice('KLMNPRST')}{rng.randrange(100, 1000)}") for thing in THINGS]


def files(rng: random.Random, planted: Sequence[Fact]) -> dict[str, str]:
    """Reports of plants; each of the first thirty has a fact in it."""
    words = sorted(
        {word for thing in THINGS for word in thing.split() if word not in ("of", "the")}
    )
    texts: dict[str, str] = {}
    for number in range(FILES):
        lines: list[str] = []
        while sum(map(len, lines)) < FILE_CHARS:
            amount, unit = rng.randrange(10_000), rng.choice(("kg", "bar", "pieces", "litres"))
            some = " ".join(rng.sample(words, 3))
            lines.append(f"{some} {rng.randrange(90)}: {amount} {unit} at plant {number}\n")
        if number < len(planted):
            lines.insert(rng.randrange(8), planted[number].sentence + "\n")
        texts[f"plant{number:03}.txt"] = "".join(lines)
    return texts
