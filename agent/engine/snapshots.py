"""What can be had back without computing it: earlier positions, forks, and blocks of old sessions.

A model with full attention forgets a tail at once, and sequences share the cells of a prefix. A
recurrent one (hybrids) has one state for its whole past: checkpoints of that state are kept near
the ends of prompts, and a rewind starts from the nearest one.

Blocks are states of ranges of positions, kept by content (:mod:`agent.engine.blocks`): a range is
copied to a scratch sequence and its bytes are taken; to restore, each block is set into scratch and
copied to the live sequence. Runs on the engine's native thread only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from agent.engine.blocks import BlockRef, key
from agent.engine.native_context import MAIN, SCRATCH, Context

CHECKPOINTS = 4  # each as large as the recurrent state: 150 MiB for a model of 27B
BLOCK = 256  # tokens: 7 MB for the default model
# A recurrent model's block has its whole state in it, however short the block.
RECURRENT_BLOCK = 2048


class BlockStore(Protocol):
    """Where blocks are kept; see :class:`agent.engine.blockstore.BlockStore`."""

    def find(self, fingerprint: bytes, tokens: Sequence[int]) -> list[BlockRef]: ...

    def load_chain(self, chain: Sequence[BlockRef]) -> Iterator[bytes]: ...

    def wants(self, fingerprint: bytes, parent_key: bytes, tokens: Sequence[int]) -> bool: ...

    def save(
        self, fingerprint: bytes, parent_key: bytes, tokens: Sequence[int], data: bytes
    ) -> bool: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class Checkpoint:
    """The recurrent state behind the first `length` tokens."""

    length: int
    state: npt.NDArray[np.uint8]


class Snapshots:
    """The past of one context's sequences; lengths and positions in tokens."""

    def __init__(self, context: Context, store: BlockStore | None = None, fingerprint: bytes = b""):
        self._context = context
        self._store = store
        self._fingerprint = fingerprint
        self._is_recurrent = not context.can_truncate
        self._step = RECURRENT_BLOCK if self._is_recurrent else BLOCK
        self._checkpoints: list[Checkpoint] = []
        # Where blocks end, with the keys of those positions; the first is the beginning.
        self._cuts: list[tuple[int, bytes]] = [(0, fingerprint)]

    def restore(self, log: Sequence[int]) -> int:
        """Fill the empty cache with what is stored of `log`: its length."""
        self._cuts = [(0, self._fingerprint)]
        if self._store is None:
            return 0
        chain = self._store.find(self._fingerprint, log)
        for ref, data in zip(chain, self._store.load_chain(chain), strict=False):
            if not self._set(np.frombuffer(data, np.uint8)):
                break
            self._cuts.append((ref.end, ref.key))
        length = self._cuts[-1][0]
        if length and self._context.length() != length:
            self._context.clear()
            self._cuts = self._cuts[:1]
            return 0
        if length and self._is_recurrent:
            self.checkpoint(length)
        return length

    def _set(self, data: npt.NDArray[np.uint8]) -> bool:
        done = self._context.load(SCRATCH, data)
        if done:
            self._context.copy(SCRATCH, MAIN)
        self._context.drop(SCRATCH)
        return done

    def cut(self, length: int) -> int:
        """Make the live sequence at most `length` long: how much of it is left."""
        self._checkpoints = [c for c in self._checkpoints if c.length <= length]
        self._cuts = [cut for cut in self._cuts if cut[0] <= length]
        if self._context.truncate(length):
            return length
        left = self._go_back(MAIN, length)
        self._cuts = [cut for cut in self._cuts if cut[0] <= left]
        return left

    def _go_back(self, sequence: int, length: int) -> int:
        """Set a recurrent sequence to its last checkpoint before `length`."""
        for checkpoint in reversed(self._checkpoints):
            if checkpoint.length > length:
                continue
            if self._context.load(sequence, checkpoint.state, partial=True):
                self._context.truncate(checkpoint.length, sequence)
                return checkpoint.length
        self._context.drop(sequence)
        return 0

    def fork(self, sequence: int, at: int) -> int:
        """Let `sequence` begin with the first `at` positions of the live one: how many it has."""
        if not self._is_recurrent:
            self._context.copy(MAIN, sequence, 0, at)
            return at
        self._context.copy(MAIN, sequence)
        return at if self._context.length() == at else self._go_back(sequence, at)

    def adopt(self, sequence: int, at: int) -> None:
        """`sequence`, which left the live one at `at`, takes its place."""
        self._checkpoints = [c for c in self._checkpoints if c.length <= at]
        self._cuts = [cut for cut in self._cuts if cut[0] <= at]
        self._context.drop(MAIN)
        self._context.copy(sequence, MAIN)

    def rows_until(self, length: int, target: int, mark: int) -> int:
        """How many of the rows from `length` to `target` may be evaluated in one batch.

        A recurrent model has to stand still where its state will be wanted: at the end of a block,
        and before the last token of a prompt, from where the answer can be asked for again.
        """
        if not self._is_recurrent:
            return target - length
        stops = [self._next_cut(mark), target - 1]
        return min([stop - length for stop in stops if stop > length] or [target - length])

    def grew(self, log: Sequence[int], evaluated: int, mark: int) -> None:
        """Keep the blocks that are complete; `mark` is a position at which one has to end."""
        if self._store is None:
            return
        while evaluated >= self._next_cut(mark) and self._keep(log, self._next_cut(mark)):
            pass

    def _next_cut(self, mark: int) -> int:
        begin = self._cuts[-1][0]
        return mark if begin < mark < begin + self._step else begin + self._step

    def checkpoint(self, length: int) -> None:
        """Remember the state of a recurrent model, which stands behind `length` tokens."""
        if self._is_recurrent:
            state = self._context.save(MAIN, partial=True)
            self._checkpoints = [*self._checkpoints, Checkpoint(length, state)][-CHECKPOINTS:]

    def close(self, log: Sequence[int], evaluated: int) -> None:
        """Keep what is left behind the last whole block, and wait until all is written."""
        if self._store is None:
            return
        if evaluated > self._cuts[-1][0]:
            self._keep(log, evaluated)
        self._store.close()

    def _keep(self, log: Sequence[int], end: int) -> bool:
        """Save up to `end`; False when the store has no room now, to be asked again later.

        A recurrent model's state is that of now, so that later would be too late for it.
        """
        assert self._store is not None
        begin, parent = self._cuts[-1]
        tokens = log[begin:end]
        if self._store.wants(self._fingerprint, parent, tokens):
            self._context.copy(MAIN, SCRATCH, begin, end)
            data = self._context.save(SCRATCH)
            self._context.drop(SCRATCH)
            taken = self._store.save(self._fingerprint, parent, tokens, data.tobytes())
            if not taken and not self._is_recurrent:
                return False
        self._cuts.append((end, key(parent, tokens)))
        return True
