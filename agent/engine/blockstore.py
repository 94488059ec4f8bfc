"""The KV blocks of all sessions on disk: a cache, which may lose any block and never delays anyone.

Blocks are opaque bytes here. Nothing raises: what is missing, broken, or taken away by another
process is a miss, and a disk that takes no more ends the saving with one notice.
"""

from __future__ import annotations

import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from agent.engine.blockfile import BadBlock, Payload, file_bytes, read_block, write_block
from agent.engine.blocks import BlockRef, folder_name, key, longest_chain
from agent.engine.blocksweep import Busy, scan, shrink, write_about

# What may wait in memory for the disk; more than that is dropped.
QUEUE_BYTES = 256 * 2**20


@dataclass(frozen=True)
class Counts:
    """Blocks of this process: written, there already, not kept (queue, limit, races), broken."""

    saved: int = 0
    present: int = 0
    dropped: int = 0
    bad: int = 0


@dataclass(frozen=True)
class _Job:
    ref: BlockRef
    payload: Payload
    size: int


@dataclass(frozen=True)
class _About:
    model: str
    settings: dict[str, object] = field(default_factory=dict)


class BlockStore:
    """Saves, finds and loads blocks below `folder`, in at most `limit_bytes` (0: keeps nothing).

    `log` gets at most one line each about reading and about writing, on any thread. All methods
    can be called from any thread. Several processes may use one folder; each of them looks at the
    whole again after writing a twentieth of the limit, so together they can be above it by that.
    """

    def __init__(
        self,
        folder: Path,
        limit_bytes: int,
        log: Callable[[str], None],
        queue_bytes: int = QUEUE_BYTES,
    ) -> None:
        self.folder = folder
        self.limit = limit_bytes
        self._log = log
        self._queue_bytes = queue_bytes
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._waiting_bytes = 0
        self._writer: threading.Thread | None = None
        self._closed = False
        self._saving = limit_bytes > 0
        self._budget = 0
        self._about: dict[bytes, _About] = {}
        self._counts = Counts()
        self._said: set[str] = set()

    @property
    def counts(self) -> Counts:
        return self._counts

    def describe(self, fingerprint: bytes, model: str, settings: Mapping[str, object]) -> None:
        """What `agent cache show` says about a fingerprint; settings are JSON values."""
        self._about[fingerprint] = _About(model, dict(settings))

    def find(self, fingerprint: bytes, tokens: Sequence[int]) -> list[BlockRef]:
        """The stored blocks that cover the longest prefix of `tokens`, in order, without a gap.

        A block may be gone when it is loaded: what is restored ends before it.
        """
        if self.limit <= 0:
            return []
        try:
            with os.scandir(self.folder / folder_name(fingerprint)) as entries:
                names = [entry.name for entry in entries]
        except FileNotFoundError:
            return []
        except OSError as error:
            self._say("reading", f"saved model state is not used: {_reason(self.folder, error)}")
            return []
        return longest_chain(names, fingerprint, tokens)

    def load(self, ref: BlockRef) -> bytes | None:
        """The payload of a block, verified; None when it is not there or is not what it should be.

        A broken file is removed.
        """
        if self.limit <= 0:
            return None
        place = self.folder / ref.folder
        try:
            return read_block(place, ref)
        except FileNotFoundError:
            return None
        except BadBlock as error:
            with suppress(OSError):
                (place / ref.name).unlink()
            self._count(bad=1)
            text = f"saved model state is ignored and removed: {place / ref.name}: {error}"
            self._say("reading", text)
        except OSError as error:
            self._say("reading", f"saved model state is not used: {_reason(place, error)}")
        return None

    def load_chain(self, chain: Sequence[BlockRef]) -> Iterator[bytes]:
        """The payloads of a chain in order, up to the first that is missing or broken.

        Two threads read and verify ahead of the caller; at most three payloads are in memory.
        """
        with ThreadPoolExecutor(2, "blocks") as readers:
            ahead = deque(readers.submit(self.load, block) for block in chain[:2])
            for index in range(len(chain)):
                payload = ahead.popleft().result()
                if payload is None:
                    return
                ahead.extend(readers.submit(self.load, block) for block in chain[index + 2 :][:1])
                yield payload

    def wants(self, fingerprint: bytes, parent_key: bytes, tokens: Sequence[int]) -> bool:
        """Whether :meth:`save` would take this block: spares the caller to take the state."""
        if not self._accepts(0):
            return False
        ref = _ref(fingerprint, parent_key, tokens)
        return not _is_there(self.folder / ref.folder / ref.name)

    def save(
        self, fingerprint: bytes, parent_key: bytes, tokens: Sequence[int], data: Payload
    ) -> bool:
        """Hand a block to the writer and return at once; False when it is dropped.

        `tokens` follow the position whose key is `parent_key` (the fingerprint at position 0).
        `data` must not change afterwards. Save parents before children.
        """
        size = file_bytes(data)
        ref = _ref(fingerprint, parent_key, tokens)
        with self._changed:
            if not self._accepts(size) or not len(tokens):
                self._counts = replace(self._counts, dropped=self._counts.dropped + 1)
                return False
            self._jobs.append(_Job(ref, data, size))
            self._waiting_bytes += size
            if self._writer is None:
                self._writer = threading.Thread(target=self._run, name="blocks", daemon=True)
                self._writer.start()
            self._changed.notify_all()
        return True

    def flush(self) -> None:
        """Wait until everything that was taken is written or dropped."""
        with self._changed:
            self._changed.wait_for(lambda: not self._jobs)

    def close(self) -> None:
        """Write what was taken, and take no more; reading goes on."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join()

    def _accepts(self, size: int) -> bool:
        fits = not self._jobs or self._waiting_bytes + size <= self._queue_bytes
        return self._saving and not self._closed and fits

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._jobs or self._closed)
                if not self._jobs:
                    return
                job = self._jobs[0]
            self._try_to_write(job)
            with self._changed:
                self._jobs.popleft()
                self._waiting_bytes -= job.size
                self._changed.notify_all()

    def _try_to_write(self, job: _Job) -> None:
        try:
            self._write(job)
        except (Busy, FileNotFoundError):
            # Others are making room, or removed the folder under us: not worth waiting for.
            self._count(dropped=1)
        except Exception as error:  # noqa: BLE001 - a cache must not end a session
            self._saving = False
            self._count(dropped=1)
            self._say(
                "writing",
                f"model state is no longer saved: {_reason(self.folder, error)}; free space, or "
                "switch it off with INGLE_BLOCKS_MAX=0",
            )

    def _write(self, job: _Job) -> None:
        if not self._saving:
            self._count(dropped=1)
            return
        place = self.folder / job.ref.folder
        if _is_there(place / job.ref.name):
            with suppress(OSError):
                os.utime(place / job.ref.name)
            self._count(present=1)
            return
        self._make_folder()
        if not self._make_room(job):
            self._count(dropped=1)
            return
        _make(place)
        about = self._about.get(job.ref.fingerprint)
        if about is not None:
            write_about(self.folder, job.ref.folder, about.model, about.settings)
        write_block(place, job.ref, job.payload)
        self._budget -= job.size
        self._count(saved=1)

    def _make_folder(self) -> None:
        try:
            _make(self.folder, parents=True)
        except FileNotFoundError as error:
            # No folder can be made here, which is not the same as one that was removed.
            raise NotADirectoryError(errno.ENOTDIR, error.strerror, str(self.folder)) from error

    def _make_room(self, job: _Job) -> bool:
        """Whether the block fits into the limit, after others were removed for it if need be."""
        if job.size > self.limit:
            return False
        if job.size > self._budget:
            used = scan(self.folder).bytes
            if used + job.size > self.limit:
                # A tenth more than needed, so that not every block that follows removes others.
                goal = min(self.limit - job.size, self.limit * 9 // 10)
                used, _ = shrink(self.folder, goal, (job.ref.folder, job.ref.parent.hex()[:16]))
            self._budget = min(self.limit - used, max(job.size, self.limit // 20))
        return job.size <= self._budget

    def _count(self, *, saved: int = 0, present: int = 0, dropped: int = 0, bad: int = 0) -> None:
        with self._changed:
            now = self._counts
            self._counts = Counts(
                now.saved + saved, now.present + present, now.dropped + dropped, now.bad + bad
            )

    def _say(self, kind: str, text: str) -> None:
        with self._changed:
            first = kind not in self._said
            self._said.add(kind)
        if first:
            with suppress(Exception):
                self._log(text)


def _ref(fingerprint: bytes, parent_key: bytes, tokens: Sequence[int]) -> BlockRef:
    # Where the block begins is in the chain of keys; only a lookup knows it as a number.
    return BlockRef(fingerprint, parent_key, key(parent_key, tokens), 0, len(tokens))


def _make(folder: Path, *, parents: bool = False) -> None:
    """A folder that only its owner can read.

    Raises:
        Busy: another process removed it at this moment.
        OSError: it cannot be made.
    """
    try:
        folder.mkdir(mode=0o700, parents=parents, exist_ok=True)
    except FileExistsError as error:
        if folder.exists() and not folder.is_dir():
            raise
        raise Busy from error


def _is_there(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        # Path.exists() raises where the folder may not be searched.
        return False
    return True


def _reason(place: Path, error: Exception) -> str:
    return f"{place}: {(isinstance(error, OSError) and error.strerror) or error}"
