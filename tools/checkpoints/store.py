"""Checkpoints of a folder's files: save, compare, bring back.

::

    <store>/objects refs index      a git repository of ours, whose work tree is the folder
            last.json               the newest checkpoint: id, tree, permissions, what it lacks

Bytes are kept exactly, with permissions and symbolic links; ignored files that no repository
tracks, files over 10 MB and repositories inside of the folder are left out.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.checkpoints.base import CheckpointFailed, Entry, Kind, Refused, Restored, Saved
from tools.checkpoints.listing import Found, find_changes
from tools.checkpoints.restore import apply, plan
from tools.checkpoints.shadow import Shadow, last_line

# After so many checkpoints the older ones go, and their files with them.
MOST_KEPT = 400
TIDY_EVERY = 100
RETRIES = 20
MANY = 200  # new files
MOST_NAMED = 1_000  # of the files that are left out
NOTHING = "0" * 40


@dataclass(frozen=True)
class _Last:
    """The newest checkpoint; `modes` are permissions that are not the usual ones, by path."""

    id: str = ""
    tree: str = ""
    modes: dict[str, int] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()
    more: int = 0  # left out besides these
    number: int = 0  # its place in the order of the checkpoints


class Checkpoints:
    """The checkpoints of the files below `root` that are kept in the folder `store`.

    Both may be on different disks; `store` is made when it is needed. Safe to use from several
    processes at once, and to be killed at any moment.
    """

    def __init__(self, store: Path, root: Path) -> None:
        self._shadow = Shadow(store, root)

    def save(self, label: str) -> Saved:
        """The files as they are now; the same id as before when nothing has changed.

        Raises:
            CheckpointFailed: no git, a full disk, a store that cannot be written.
        """
        started = time.monotonic()
        with self._shadow.locked():
            last = self._save(label)
        return Saved(last.id, time.monotonic() - started, last.left_out, last.more)

    def changes(self, before: str, after: str = "") -> list[tuple[str, Kind]]:
        """Paths that differ between two checkpoints, sorted; '' is the folder as it is now.

        Raises:
            CheckpointFailed: a checkpoint is not there.
        """
        with self._shadow.locked():
            return [(path, _kind(*pair)) for path, pair in self._differing(before, after).items()]

    def diff(self, before: str, after: str = "") -> str:
        """Unified diff between two checkpoints; '' is the folder as it is now.

        Raises:
            CheckpointFailed: a checkpoint is not there.
        """
        with self._shadow.locked():
            trees = self._tree(before), self._tree(after or self._save("now").id)
            out = self._shadow.git(
                "diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv", "--no-color",
                "--find-renames", *trees,
            )  # fmt: skip
        return out.decode("utf-8", "replace")

    def restore(self, id: str, expected_now: str, *, force: bool = False) -> Restored | Refused:
        """Bring back what differs between the checkpoints `id` and `expected_now`; see undo."""
        return self.undo([(id, expected_now)], force=force)

    def undo(self, steps: Sequence[tuple[str, str]], *, force: bool = False) -> Restored | Refused:
        """Take steps (checkpoint before, checkpoint after) back, the newest first.

        Only files that differ between the two are touched. One that is neither as it was before
        nor as it was after was changed by somebody else: then nothing is touched at all, unless
        `force`. '' as the checkpoint after means that everything since was that step.

        Raises:
            CheckpointFailed: a checkpoint is not there, or a file cannot be written; what was
                brought back until then stays, and the same call goes on from there.
        """
        with self._shadow.locked():
            now = self._save("before undo")
            whole = {path: new for path, (_, new) in self._differing("", now.id).items() if new}
            pairs = [self._differing(before, after or now.id) for before, after in steps]
            wanted, refused = plan(self._shadow.root, whole, pairs, force=force)
            if refused:
                return Refused(refused)
            modes: dict[str, int] = {}
            for before, _ in steps:
                modes |= self._about(before).get("modes", {})
            paths = apply(self._shadow, whole, wanted, modes)
            after = self._save("after undo")
        return Restored(paths, now.id, after.id)

    def _save(self, label: str) -> _Last:
        """Bring the index up to date and make a commit of it, if it differs from the last one."""
        last = self._last()
        found = self._changes()
        self._forget(found.forget)
        self._add(found)
        tree = self._write_tree()
        modes = last.modes
        if found.save or found.forget:
            gone = {os.fsdecode(path) for path in (*found.save, *found.forget)}
            modes = {path: mode for path, mode in modes.items() if path not in gone} | found.modes
        left_out = tuple(sorted(found.left_out)[:MOST_NAMED])
        more = len(found.left_out) - len(left_out)
        same = (tree, modes, left_out, more) == (last.tree, last.modes, last.left_out, last.more)
        if same and self._has_tree(last.id, tree):
            return last
        # Behind the newest one also where the clock was set back: the oldest ones go.
        number = max(time.time_ns(), last.number + 1)
        about = json.dumps({"label": label, "modes": modes, "left_out": left_out, "more": more})
        commit = self._shadow.git("commit-tree", tree, given=about.encode()).decode().strip()
        self._shadow.git("update-ref", f"refs/checkpoints/{number:020d}", commit)
        last = _Last(commit, tree, modes, left_out, more, number)
        self._remember(last)
        self._tidy()
        return last

    def _changes(self) -> Found:
        """Like find_changes; an index that is broken is made anew."""
        try:
            return find_changes(self._shadow)
        except CheckpointFailed:
            self._shadow.forget_index()
            return find_changes(self._shadow)

    def _forget(self, paths: Sequence[bytes]) -> None:
        if not paths:
            return
        prefix = os.fsencode(self._shadow.prefix)
        lines = b"".join(b"0 %s\t%s%s\0" % (NOTHING.encode(), prefix, path) for path in paths)
        self._shadow.git("update-index", "-z", "--index-info", given=lines)

    def _add(self, found: Found) -> None:
        """Save the files' bytes. One that vanishes or is locked meanwhile is left out."""
        for _ in range(RETRIES):
            if not found.save:
                return
            given = b"".join(path + b"\0" for path in found.save)
            code, _, complaint = self._shadow.try_git(
                *self._packing(len(found.save)),
                "update-index",
                "--add",
                "--remove",
                "--replace",
                "-z",
                "--stdin",
                given=given,
            )
            if not code:
                return
            culprit = os.fsencode(last_line(complaint).removeprefix("Unable to process path "))
            if culprit not in found.save:
                raise CheckpointFailed(f"git update-index: {last_line(complaint)}")
            found.save.remove(culprit)
            found.left_out.append(os.fsdecode(culprit))
        raise CheckpointFailed("too many files change while they are saved")

    def _packing(self, count: int) -> tuple[str, ...]:
        """Options that write many files into one pack: five times as fast as a file for each."""
        if count < MANY:
            return ()
        version = re.search(rb"(\d+)\.(\d+)", self._shadow.git("version"))
        # Before 2.38 update-index makes a pack for each of them.
        if version is None or (int(version[1]), int(version[2])) < (2, 38):
            return ()
        return ("-c", "core.bigFileThreshold=1")

    def _write_tree(self) -> str:
        options = [f"--prefix={self._shadow.prefix}"] if self._shadow.prefix else []
        code, out, complaint = self._shadow.try_git("write-tree", *options)
        if code and options and "prefix" in complaint:  # there is no file at all
            return self._shadow.git("mktree").decode().strip()
        if code:
            # Objects that the index names are lost: it is read anew next time.
            self._shadow.forget_index()
            raise CheckpointFailed(f"git write-tree: {last_line(complaint)}")
        return out.decode().strip()

    def _differing(self, before: str, after: str) -> dict[str, tuple[Entry | None, Entry | None]]:
        """Files that differ, with what they were and are; '' before is an empty folder."""
        end = self._tree(after or self._save("now").id)
        if not before:
            out = self._shadow.git("ls-tree", "-r", "-z", "--full-tree", end)
            return dict(_listed(item) for item in out.split(b"\0") if item)
        start = self._tree(before)
        out = self._shadow.git("diff-tree", "-r", "-z", "--raw", "--no-renames", start, end)
        fields = out.split(b"\0")
        return dict(_compared(fields[i], fields[i + 1]) for i in range(0, len(fields) - 1, 2))

    def _tree(self, id: str) -> str:
        tree = self._tree_of(id)
        if not tree:
            raise CheckpointFailed(f"checkpoint {id[:12]} is not there any more")
        return tree

    def _tree_of(self, id: str) -> str:
        """The tree of a checkpoint, '' where there is no such checkpoint."""
        code, out, _ = self._shadow.try_git(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{id}^{{tree}}"
        )
        return "" if code else out.decode().strip()

    def _has_tree(self, id: str, tree: str) -> bool:
        """Whether the checkpoint is what last.json says, which a bad disk can have changed."""
        return bool(id) and self._tree_of(id) == tree

    def _about(self, id: str) -> dict[str, Any]:
        body = self._shadow.git("cat-file", "commit", id).partition(b"\n\n")[2]
        try:
            value = json.loads(body)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def _last(self) -> _Last:
        try:
            value = json.loads((self._shadow.store / "last.json").read_bytes())
            modes = {str(path): int(mode) for path, mode in value["modes"].items()}
            left_out = tuple(map(str, value["left_out"]))
            more, number = int(value.get("more", 0)), int(value.get("number", 0))
            last = _Last(str(value["id"]), str(value["tree"]), modes, left_out, more, number)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return _Last()
        return last

    def _remember(self, last: _Last) -> None:
        path = self._shadow.store / "last.json"
        temporary = path.with_suffix(".new")
        temporary.write_text(json.dumps(vars(last)), "ascii")
        temporary.replace(path)

    def _tidy(self) -> None:
        """Now and then drop the oldest checkpoints and what only they had."""
        refs = self._shadow.git("for-each-ref", "--format=%(refname)", "refs/checkpoints/")
        names = sorted(refs.decode().split())
        if len(names) < MOST_KEPT + TIDY_EVERY:
            return
        gone = "".join(f"delete {name}\n" for name in names[:-MOST_KEPT])
        self._shadow.git("update-ref", "--stdin", given=gone.encode())
        with suppress(CheckpointFailed):
            self._shadow.git("repack", "-a", "-d", "-q")
            self._shadow.git("prune", "--expire=now")


def _listed(item: bytes) -> tuple[str, tuple[None, Entry]]:
    """A line of ls-tree: ``100644 blob <id>\\tpath``."""
    about, _, path = item.partition(b"\t")
    mode, _, blob = about.decode().split(" ")
    return os.fsdecode(path), (None, Entry(mode, blob))


def _compared(about: bytes, path: bytes) -> tuple[str, tuple[Entry | None, Entry | None]]:
    """A pair of diff-tree: ``:100644 100755 <id> <id> M`` and the path."""
    old_mode, new_mode, old, new, _ = about.decode().lstrip(":").split(" ")
    before = Entry(old_mode, old) if old != NOTHING else None
    after = Entry(new_mode, new) if new != NOTHING else None
    return os.fsdecode(path), (before, after)


def _kind(before: Entry | None, after: Entry | None) -> Kind:
    if before is None:
        return "added"
    return "deleted" if after is None else "changed"
