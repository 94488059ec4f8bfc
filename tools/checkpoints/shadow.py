"""A git repository of ours that looks at somebody's folder: objects, index and settings are ours.

Nothing of the folder's own repository is read but what it ignores and what its index lists: no
configuration, no hooks, no filters. Attributes in the folder are data that ours override.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tools.checkpoints.base import CheckpointFailed
from tools.git.program import find_git
from tools.protected import gitdir_of
from tools.sandbox.environment import child_environment

GIT_S = 120.0  # longer than this one git command is given up
MOST_EXCLUDES = 1 << 20  # bytes of the folder's own info/exclude that are honoured
SETTINGS = """\
[core]
	repositoryformatversion = 0
	bare = false
	filemode = true
	autocrlf = false
	safecrlf = false
	protectNTFS = false
	protectHFS = false
	attributesFile = /dev/null
	hooksPath = /dev/null
	compression = 1
	fsyncMethod = batch
	fsync = loose-object,index,reference
[gc]
	auto = 0
"""
# What the folder's own .gitattributes would do to the bytes.
ATTRIBUTES = "* -text -eol -crlf -filter -ident -working-tree-encoding\n"
IDENTITY = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "ingle"), ("EMAIL", "ingle@localhost"))
}
INDEX_HEADER = struct.Struct(">4sII")


class Shadow:
    """The repository at `store`, which need not exist yet, for the files below `root`."""

    def __init__(self, store: Path, root: Path) -> None:
        self.store = store
        self.root = root.resolve()
        self.top = _top(self.root)
        name = self.root.relative_to(self.top).as_posix()
        self.prefix = "" if name == "." else f"{name}/"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Alone in a store that is ready; waits for others.

        Raises:
            CheckpointFailed: the store cannot be made or written, or what is done in it failed.
        """
        try:
            _private_folder(self.store)
            lock = os.open(self.store / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                with suppress(OSError):  # some network file systems have no locks
                    fcntl.flock(lock, fcntl.LOCK_EX)
                self._prepare()
                yield
            finally:
                os.close(lock)
        except OSError as error:
            place = error.filename or self.store
            raise CheckpointFailed(f"{place}: {error.strerror or error}") from error

    def git(self, *arguments: str, given: bytes = b"") -> bytes:
        """What git prints.

        Raises:
            CheckpointFailed: it failed, with the last line that it complained with.
        """
        code, out, complaint = self.try_git(*arguments, given=given)
        if code:
            raise CheckpointFailed(f"git {arguments[0]}: {last_line(complaint)}")
        return out

    def try_git(
        self, *arguments: str, given: bytes = b"", index: Path | None = None
    ) -> tuple[int, bytes, str]:
        """Exit code, stdout and stderr; `index` is another file than our own.

        Raises:
            CheckpointFailed: git cannot be run.
        """
        env = self._environment(index or self.store / "index")
        program = find_git(env["PATH"], self.root)
        if program is None:
            raise CheckpointFailed("the program git is not installed")
        try:
            done = subprocess.run(
                [program, *arguments],
                input=given,
                capture_output=True,
                cwd=self.root,
                env=env,
                timeout=GIT_S,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise CheckpointFailed(f"git {arguments[0]} took more than {GIT_S:.0f} s") from error
        except OSError as error:
            raise CheckpointFailed(f"git does not start: {error.strerror}") from error
        return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")

    @property
    def files(self) -> int:
        """How many files our index lists."""
        try:
            with (self.store / "index").open("rb") as file:
                magic, _, count = INDEX_HEADER.unpack(file.read(INDEX_HEADER.size))
        except (OSError, struct.error):
            return 0
        return int(count) if magic == b"DIRC" else 0

    @property
    def own_index(self) -> Path | None:
        """The index of the folder's own repository, if there is one."""
        index = _gitdir(self.top) / "index"
        return index if index.is_file() else None

    def forget_index(self) -> None:
        """Let the next command list all files anew: the index is broken."""
        (self.store / "index").unlink(missing_ok=True)

    def _environment(self, index: Path) -> dict[str, str]:
        env = child_environment(os.environ, self.root)
        kept = {name: env[name] for name in ("PATH", "HOME", "XDG_CONFIG_HOME") if name in env}
        return kept | IDENTITY | {
            "GIT_DIR": str(self.store),
            "GIT_WORK_TREE": str(self.top),
            "GIT_INDEX_FILE": str(index),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_LITERAL_PATHSPECS": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "LC_ALL": "C",
        }  # fmt: skip

    def _prepare(self) -> None:
        """Make what is missing, and clean up behind somebody who was killed."""
        for name in ("objects", "refs", "info"):
            (self.store / name).mkdir(exist_ok=True)
        for name in ("index.lock", "HEAD.lock", "packed-refs.lock"):
            (self.store / name).unlink(missing_ok=True)
        for path in (self.store / "objects").glob("pack/tmp_*"):
            path.unlink(missing_ok=True)
        _write(self.store / "config", SETTINGS.encode())
        _write(self.store / "info/attributes", ATTRIBUTES.encode())
        _write(self.store / "info/exclude", _excludes(self.top))
        _write(self.store / "HEAD", b"ref: refs/heads/none\n")


def last_line(text: str) -> str:
    """The last line of what a program complained with."""
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("fatal: ") if lines else "it failed without a word"


def _top(root: Path) -> Path:
    """The nearest folder at or above `root` with a .git: its ignore rules are the folder's too."""
    for folder in (root, *root.parents):
        if os.path.lexists(folder / ".git"):
            return folder
    return root


def _gitdir(top: Path) -> Path:
    try:
        return gitdir_of(top) or top / ".git"
    except (OSError, RuntimeError):  # unreadable, or a link that leads to itself
        return top / ".git"


def _excludes(top: Path) -> bytes:
    """The rules of the repository's own info/exclude, and never the agent's own files."""
    own = b"/.ingle/\n.ingle-*.tmp\n"
    try:
        path = _gitdir(top) / "info/exclude"
        if path.is_file():
            with path.open("rb") as file:
                own = file.read(MOST_EXCLUDES) + b"\n" + own
    except OSError:
        pass
    return own


def _write(path: Path, data: bytes) -> None:
    """Atomic; leaves a file alone that has these bytes."""
    with suppress(FileNotFoundError):
        if path.read_bytes() == data:
            return
    temporary = path.with_name(f"{path.name}.new")
    temporary.write_bytes(data)
    temporary.replace(path)


def _private_folder(folder: Path) -> None:
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
