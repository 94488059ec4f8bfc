"""Blocks of earlier sessions: what was evaluated once is not evaluated again, and is exact."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent.engine.base import Request
from agent.engine.blocks import fingerprint
from agent.engine.blockstore import BlockStore
from agent.engine.llama import LlamaEngine, LlamaSettings
from agent.engine.snapshots import BLOCK, RECURRENT_BLOCK
from tests.unit.engine.answers import is_same, plain, run, trace

LONG = "a story that goes on and on, with new words in it: "


class Shelf:
    """Opens engines that share one store, as processes one after the other would."""

    def __init__(self, model: Path, folder: Path):
        self.model = model
        self.folder = folder
        self.notices: list[str] = []

    @asynccontextmanager
    async def open(self, **parts: str) -> AsyncIterator[LlamaEngine]:
        store = BlockStore(self.folder, 1 << 30, self.notices.append)
        mark = fingerprint(model=self.model.name, **parts)
        engine = LlamaEngine(LlamaSettings(self.model, 4096, 1, "tiny", fingerprint=mark), store)
        await engine.load(lambda _progress: None)
        yield engine
        await engine.close()

    def files(self) -> list[Path]:
        return sorted(self.folder.rglob("*.kv"))


@pytest.fixture
def shelf(either_model: Path, tmp_path: Path) -> Shelf:
    return Shelf(either_model, tmp_path / "blocks")


def story(engine: LlamaEngine, length: int, words: str = LONG) -> list[int]:
    return engine.tokenize(plain(words * 200))[:length]


async def test_a_session_that_goes_on_evaluates_nothing_again(shelf: Shelf) -> None:
    async with shelf.open() as engine:
        await run(engine, Request(story(engine, 1000), 20))
        log = list(engine.log)
    async with shelf.open() as engine:
        more = engine.tokenize(plain("and then? "))
        warm = await trace(engine, Request([*log, *more], 15))
        await engine.rewind(0)
    async with shelf.open(other="settings") as engine:
        cold = await trace(engine, Request([*log, *more], 15))
    assert is_same(warm, cold)
    async with shelf.open() as engine:
        _, finished = await run(engine, Request([*log, *more], 5))
        assert finished.usage.reused >= len(log) - 1  # the last token was sampled, not evaluated


async def test_what_is_only_read_is_restored_to_its_last_token(shelf: Shelf) -> None:
    """As the fixed prompt is while the user types his first word."""
    async with shelf.open() as engine:
        front = story(engine, 300)
        await run(engine, Request(front, 0, mark=len(front)))
        task = engine.tokenize(plain("the task"))
        cold = await trace(engine, Request(task, 10))
    async with shelf.open() as engine:
        _, finished = await run(engine, Request(front, 0, mark=len(front)))
        assert (finished.reason, finished.usage.evaluated) == ("length", 0)
        _, finished = await run(engine, Request([], 0))
        assert (finished.reason, finished.usage.evaluated) == ("length", 0)
        assert list(engine.log) == front
        assert is_same(cold, await trace(engine, Request(task, 10)))


async def test_sessions_share_the_fixed_beginning(shelf: Shelf) -> None:
    async with shelf.open() as engine:
        front = story(engine, 300)
        one = engine.tokenize(plain("first task, and what belongs to it"))
        await run(engine, Request([*front, *one], 5, mark=len(front)))
    async with shelf.open() as engine:
        other = engine.tokenize(plain("something else, altogether different"))
        warm = await trace(engine, Request([*front, *other], 10, mark=len(front)))
        assert engine._loaded().evaluated > len(front)
    async with shelf.open() as engine:
        _, finished = await run(engine, Request([*front, *one[:3]], 5, mark=len(front)))
        assert finished.usage.reused == len(front)
    async with shelf.open(other="settings") as engine:
        assert is_same(warm, await trace(engine, Request([*front, *other], 10)))


async def test_a_long_session_is_saved_while_it_grows(shelf: Shelf) -> None:
    async with shelf.open() as engine:
        step = BLOCK if engine._loaded()._context.can_truncate else RECURRENT_BLOCK
        await run(engine, Request(story(engine, 3 * step if step == BLOCK else 2500), 5))
        store = engine._blocks
        assert isinstance(store, BlockStore)
        store.flush()
        assert len(shelf.files()) == (3 if step == BLOCK else 1)


async def test_what_was_rewound_is_not_mixed_with_what_came_after(shelf: Shelf) -> None:
    async with shelf.open() as engine:
        first = story(engine, 700)
        await run(engine, Request(first, 5))
        await engine.rewind(400)
        changed = story(engine, 500, "another story altogether, and other words ")
        await run(engine, Request(changed, 5))
        log = list(engine.log)
    async with shelf.open() as engine:
        warm = await trace(engine, Request([*log, *first[:9]], 10))
        assert engine._loaded().evaluated > len(log)
    async with shelf.open(other="settings") as engine:
        assert is_same(warm, await trace(engine, Request([*log, *first[:9]], 10)))


@pytest.mark.parametrize("damage", ["flipped", "truncated", "empty"])
async def test_a_broken_block_is_ignored_with_a_word(shelf: Shelf, damage: str) -> None:
    async with shelf.open() as engine:
        await run(engine, Request(story(engine, 600), 3))
        prompt = [*engine.log, *engine.tokenize(plain("and then? "))]
    for path in shelf.files():
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 1
        path.write_bytes({"flipped": data, "truncated": data[:-100], "empty": b""}[damage])
    async with shelf.open() as engine:
        _, finished = await run(engine, Request(prompt, 3))
        assert finished.usage.reused == 0
        assert finished.usage.prompt == len(prompt)
    assert len(shelf.notices) == 1
    assert "ignored" in shelf.notices[0]


async def test_blocks_of_other_settings_are_not_found(shelf: Shelf) -> None:
    async with shelf.open() as engine:
        await run(engine, Request(story(engine, 600), 3))
        prompt = [*engine.log, *engine.tokenize(plain("and then? "))]
    async with shelf.open(kv_type="q8_0") as engine:
        _, finished = await run(engine, Request(prompt, 3))
        assert finished.usage.reused == 0


async def test_a_state_that_the_library_refuses_is_not_used(shelf: Shelf) -> None:
    """Valid as a file, and of another model: what only a wrong fingerprint lets through."""
    async with shelf.open() as engine:
        await run(engine, Request(story(engine, 600), 3))
        prompt = [*engine.log, *engine.tokenize(plain("and then? "))]

    class Lying(BlockStore):
        def load_chain(self, chain):  # type: ignore[no-untyped-def]
            for data in super().load_chain(chain):
                yield data[: len(data) // 2]

    engine = LlamaEngine(
        LlamaSettings(shelf.model, 4096, 1, fingerprint=fingerprint(model=shelf.model.name)),
        Lying(shelf.folder, 1 << 30, shelf.notices.append),
    )
    await engine.load(lambda _progress: None)
    _, finished = await run(engine, Request(prompt, 3))
    assert finished.usage.prompt == len(prompt)
    await engine.close()
