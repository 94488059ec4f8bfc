"""What the git tool shows: status, diff, log, show, blame, branches."""

from __future__ import annotations

import re

from tools.git.repository import Repository
from tools.git.run import GitFailed, Outcome

# The tree of no files, by the length of the repository's ids.
_EMPTY = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
_PATCH = (
    "--no-ext-diff", "--no-textconv", "--no-color", "--submodule=short", "--ignore-submodules=all",
)  # fmt: skip
DEFAULT_LOG = 10
MOST_LOG = 500
_RANGE = re.compile(r"(.*?)(\.\.\.?)(.*)")


async def status(repository: Repository) -> str:
    """The short status with the branch, and what is under way."""
    text = await repository.text(
        "status", "--porcelain=v1", "--branch", "--untracked-files=normal",
        "--ignore-submodules=all", "--no-renames",
    )  # fmt: skip
    lines = text.rstrip("\n").split("\n")
    if len(lines) == 1:
        lines.append("nothing changed")
    if repository.under_way:
        lines.append(f"[{repository.under_way} is under way: the user has to end it]")
    if (repository.context.workspace.root / ".gitmodules").is_file():
        lines.append("[submodules are not looked into]")
    return "\n".join(lines)


async def diff(repository: Repository, revision: str, path: str) -> str:
    """Uncommitted changes, or those between two revisions (A..B), or since one."""
    names = ["--", repository.path(path)] if path else []
    found = _RANGE.fullmatch(revision)
    if found:
        ends = [await repository.commit(end or "HEAD") for end in (found[1], found[3])]
        between = f"{ends[0]}{found[2]}{ends[1]}"
    elif revision:
        between = await repository.commit(revision)
    else:
        kind = repository.settings.get("extensions.objectformat", "sha1")
        between = repository.head or _EMPTY.get(kind, _EMPTY["sha1"])
    out = await repository.run("diff", *_PATCH, "--find-renames", between, *names)
    text = _checked(out, "diff")
    hint = " in tracked files; see action status for new ones" if not revision else ""
    return text or f"no changes{hint}"


async def log(repository: Repository, revision: str, path: str, limit: int) -> str:
    """One line a commit: id, date, author, subject."""
    start = await _range(repository, revision)
    count = min(limit, MOST_LOG) if limit > 0 else DEFAULT_LOG
    names = ["--", repository.path(path)] if path else ["--"]
    out = await repository.run(
        "log", "--no-color", "--no-show-signature", "--no-decorate", "--no-patch", "--date=short",
        "--format=%h %ad %an: %s", f"--max-count={count}", start, *names,
    )  # fmt: skip
    return _checked(out, "log") or "no commits"


async def show(repository: Repository, revision: str, path: str) -> str:
    """A commit with its patch; with a path, that file as it was then."""
    commit = await repository.commit(revision or "HEAD")
    if not path:
        out = await repository.run(
            "show", *_PATCH, "--no-show-signature", "--no-decorate", "--date=short",
            "--stat", "--patch", commit, "--",
        )  # fmt: skip
        return _checked(out, "show")
    name = repository.path(path)
    out = await repository.run("cat-file", "blob", f"{commit}:{name}")
    if out.code:
        raise GitFailed(f"{name} is no file in {revision or 'HEAD'}")
    if b"\0" in out.out[:8000]:
        return f"{name} is binary: {len(out.out):,} bytes"
    return _checked(out, "show") or "[empty file]"


async def blame(repository: Repository, revision: str, path: str) -> str:
    """Who changed each line of a file last; without a revision, as it is now."""
    if not path:
        raise GitFailed("blame needs a path")
    at = [await repository.commit(revision)] if revision else []
    if not at and not repository.head:
        raise GitFailed("there is no commit yet")
    out = await repository.run(
        "blame", "--no-textconv", "--date=short", *at, "--", repository.path(path)
    )
    return _checked(out, "blame")


async def branches(repository: Repository) -> str:
    """Local branches with their last commits; the current one has a star."""
    text = await repository.text(
        "branch", "--list", "--verbose", "--no-color", "--no-column", "--no-abbrev"
    )
    if not repository.head:
        where = (await repository.text("symbolic-ref", "HEAD")).strip()
        return f"* {where.removeprefix('refs/heads/')} (no commit yet)\n{text}".strip()
    return re.sub(r"\b([0-9a-f]{10})[0-9a-f]{30,54}\b", r"\1", text.rstrip("\n"))


async def _range(repository: Repository, revision: str) -> str:
    """A revision or a range A..B with full ids in it."""
    found = _RANGE.fullmatch(revision)
    if found is None:
        return await repository.commit(revision or "HEAD")
    ends = [await repository.commit(end or "HEAD") for end in (found[1], found[3])]
    return f"{ends[0]}{found[2]}{ends[1]}"


def _checked(out: Outcome, action: str) -> str:
    if out.code:
        raise GitFailed(f"git {action} failed: {out.complaint}")
    return out.text + ("\n[too much: narrow with path, rev or limit]" if out.cut else "")
