"""Is this the file that we want? Hash once, then remember it in a small record beside the file."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from agent.errors import BrokenModelFile
from agent.models.source import Progress, sha256_of


@dataclass(frozen=True)
class Record:
    """What was verified: `size` in bytes, `mtime_ns` of the file at that moment."""

    sha256: str
    size: int
    mtime_ns: int
    source: str


def record_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def read_record(path: Path) -> Record | None:
    """The record of the model file `path`; None when there is none that can be read."""
    try:
        table = json.loads(record_path(path).read_text("utf-8"))
        return Record(
            str(table["sha256"]), int(table["size"]), int(table["mtime_ns"]), str(table["source"])
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(path: Path, sha256: str, source: str) -> Record:
    """Remember that `path`, as it is now, has this hash."""
    stat = path.stat()
    record = Record(sha256, stat.st_size, stat.st_mtime_ns, source)
    target = record_path(path)
    temporary = target.with_name(f"{target.name}.{os.getpid()}")
    # A folder of models may be shared and read-only: then the file is hashed at every start.
    with contextlib.suppress(OSError):
        temporary.write_text(json.dumps(asdict(record), indent=1) + "\n", "utf-8")
        temporary.replace(target)
    return record


def verify(path: Path, *, sha256: str, size: int, name: str, progress: Progress) -> Record:
    """Check a file that is there; hash it only if no record vouches for it.

    `sha256` empty: the hash in the record counts, and without one the file is taken as it is
    (trust on first use); `size` is ignored then. Raises BrokenModelFile.
    """
    stat = path.stat()
    remedy = f"delete it and run `agent models pull {name}`"
    if sha256 and stat.st_size != size:
        kind = "cut off" if stat.st_size < size else "too long"
        raise BrokenModelFile(
            f"{path} is {kind}: expected {size:,} bytes, has {stat.st_size:,}; {remedy}"
        )
    record = read_record(path)
    expected = sha256 or (record.sha256 if record else "")
    if record and (record.sha256, record.size, record.mtime_ns) == (
        expected,
        stat.st_size,
        stat.st_mtime_ns,
    ):
        return record
    found = sha256_of(path, progress, f"checking {path.name}")
    if expected and found != expected:
        raise BrokenModelFile(
            f"{path} is not the file that was published: its sha256 is {found[:16]}…, "
            f"expected {expected[:16]}…; {remedy}"
        )
    return write_record(path, found, record.source if record else "found in the folder")
