"""What the git tool changes: the index, commits, branches, and files that go back to a commit.

Only plumbing: `git commit` and `git checkout` run hooks, filters, signing programs and clean-up
jobs; write-tree, commit-tree and update-ref do not, and the overrides catch what is left.
"""

from __future__ import annotations

import re

from tools.base import ToolResult
from tools.git.repository import Repository, identity
from tools.git.run import GitFailed
from tools.text import NotText, decode, is_argument, unified_diff
from tools.workspace import PathRefused

MOST_ADDED = 2_000
MOST_RESTORED = 200
MOST_MESSAGE = 20_000
_TRAILER = re.compile(r"[A-Za-z][A-Za-z0-9-]*: \S")
_GITLINK = "160000"


async def add(repository: Repository, path: str) -> str:
    """Stage a file, or all changes below a folder."""
    if not path:
        raise GitFailed("add needs a path; '.' is everything")
    name = repository.path(path)
    out = await repository.text(
        "ls-files", "-z", "-t", "--modified", "--deleted", "--others", "--exclude-standard",
        "--", name,
    )  # fmt: skip
    found = {item[2:] for item in out.split("\0") if item}
    # Of repositories inside of this one only the user knows what should happen to them.
    paths = sorted(p for p in found if not (repository.context.workspace.root / p).is_dir())
    if not paths:
        return f"nothing new in {name}"
    if len(paths) > MOST_ADDED:
        raise GitFailed(f"{len(paths):,} files would be added: give a narrower path")
    await _refuse_filtered(repository, paths)
    given = "".join(f"{p}\0" for p in paths).encode("utf-8", "surrogateescape")
    await repository.text(
        "update-index", "--add", "--remove", "--replace", "-z", "--stdin", writes=True, given=given
    )
    return f"staged: {_some(paths)}"


async def commit(repository: Repository, path: str, message: str, model: str) -> str:
    """Commit what is staged; a path is staged first. No hook runs, nothing is signed."""
    text = _message(message, model)
    if repository.under_way:
        raise GitFailed(f"not committed: {repository.under_way} is under way, which the user ends")
    name, mail = identity(repository.context.workspace.root, repository.settings)
    if path:
        await add(repository, path)
    tree = (await repository.text("write-tree", writes=True)).strip()
    parents = ["-p", repository.head] if repository.head else []
    before = ""
    if repository.head:
        before = (await repository.text("rev-parse", f"{repository.head}^{{tree}}")).strip()
    staged = await repository.text("ls-files", "--cached", "-z") if not before else ""
    if tree == before or (not before and not staged):
        raise GitFailed("nothing is staged: use action add with a path, or give commit a path")
    env = {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", name), ("EMAIL", mail))
    }
    made = await repository.run(
        "commit-tree", tree, *parents, "-F", "-", writes=True, given=text.encode(), env=env
    )
    if made.code:
        raise GitFailed(f"not committed: {made.complaint}")
    commit_id = made.text.strip()
    subject = text.split("\n", 1)[0]
    moved = await repository.run(
        "update-ref", "-m", f"commit: {subject}", "HEAD", commit_id,
        repository.head or "0" * len(commit_id), writes=True, env=env,
    )  # fmt: skip
    if moved.code:
        raise GitFailed(f"not committed: {moved.complaint}")
    changed = await repository.text(
        "diff-tree", "--no-commit-id", "--name-only", "-r", "-z", "--root", commit_id
    )
    return f"committed {commit_id[:10]} {subject}: {_some(changed.strip(chr(0)).split(chr(0)))}"


async def new_branch(repository: Repository, name: str) -> str:
    """Make a branch here and go on in it; no file changes."""
    if name.startswith("-") or not is_argument(name):
        raise GitFailed(f"{name!r} is no name for a branch")
    checked = await repository.run("check-ref-format", f"refs/heads/{name}")
    if checked.code or name == "HEAD":
        raise GitFailed(f"{name!r} is no name for a branch")
    if repository.under_way:
        raise GitFailed(f"{repository.under_way} is under way, which the user ends first")
    ref = f"refs/heads/{name}"
    if repository.head:
        nothing = "0" * len(repository.head)
        made = await repository.run("update-ref", ref, repository.head, nothing, writes=True)
        if made.code:
            raise GitFailed(f"there is a branch {name} already: switching is left to the user")
    await repository.text("symbolic-ref", "-m", f"ingle: to {name}", "HEAD", ref, writes=True)
    return f"on the new branch {name}"


async def restore(repository: Repository, revision: str, path: str) -> ToolResult:
    """Bring files back as they were in a commit; what the model has not seen stays."""
    if not path:
        raise GitFailed("restore needs a path")
    workspace = repository.context.workspace
    commit_id = await repository.commit(revision or "HEAD")
    name = workspace.name(workspace.resolve_for_writing(path))
    listed = await repository.text("ls-tree", "-r", "-z", "--full-tree", commit_id, "--", name)
    entries = [item.partition("\t") for item in listed.split("\0") if item]
    files = [(about.split(" ")[0], where) for about, _, where in entries]
    files = [(mode, where) for mode, where in files if mode != _GITLINK]
    if not files:
        raise GitFailed(f"{name} is not in {revision or 'HEAD'}")
    if len(files) > MOST_RESTORED:
        raise GitFailed(f"{len(files):,} files would be restored: give a narrower path")
    await _refuse_filtered(repository, [where for _, where in files])
    contents = [
        (mode, where, await _content(repository, commit_id, where)) for mode, where in files
    ]
    contents = [item for item in contents if _differs(repository, *item)]
    refusals = [text for _, where, _ in contents if (text := _refusal(repository, where))]
    if refusals:
        raise GitFailed(f"nothing was restored: {refusals[0]}")
    diffs = [_write(repository, *item) for item in contents]
    if not contents:
        return ToolResult(f"{name} is as in {revision or 'HEAD'} already")
    changed = tuple(where for _, where, _ in contents)
    return ToolResult(f"restored: {_some(list(changed))}", diff="".join(diffs), changed=changed)


async def _content(repository: Repository, commit_id: str, where: str) -> bytes:
    """A file's bytes as a checkout would write them, but for filters, which are overridden."""
    out = await repository.run("cat-file", "--filters", f"{commit_id}:{where}")
    if out.code or out.cut:
        raise GitFailed(f"{where} cannot be read: {out.complaint or 'it is too large'}")
    return out.out


def _differs(repository: Repository, mode: str, where: str, data: bytes) -> bool:
    path = repository.context.workspace.root / where
    if mode == "120000":
        raise GitFailed(f"{where} is a link: it is left to the user")
    try:
        return path.read_bytes() != data or bool(path.stat().st_mode & 0o100) != (mode == "100755")
    except OSError:
        return True


def _refusal(repository: Repository, where: str) -> str:
    """Why this file may not be overwritten: the user's work may be in it, unseen."""
    workspace = repository.context.workspace
    try:
        path = workspace.resolve_for_writing(where)
    except PathRefused as error:
        return str(error)
    return workspace.overwrite_refusal(path) if path.exists() else ""


def _write(repository: Repository, mode: str, where: str, data: bytes) -> str:
    workspace = repository.context.workspace
    path = workspace.resolve_for_writing(where)
    old = path.read_bytes() if path.exists() else b""
    try:
        workspace.write(path, data)
        now = path.stat().st_mode & 0o7777
        path.chmod(now | 0o111 & ~0o022 if mode == "100755" else now & ~0o111)
    except OSError as error:
        raise GitFailed(f"{where} cannot be written: {error.strerror}") from error
    try:
        return unified_diff(where, decode(old).text, decode(data).text)
    except NotText:
        return ""


async def _refuse_filtered(repository: Repository, paths: list[str]) -> None:
    """Files that a filter of the user's changes on their way (LFS) are the user's to handle."""
    given = "".join(f"{p}\0" for p in paths).encode("utf-8", "surrogateescape")
    out = await repository.text("check-attr", "-z", "--stdin", "filter", given=given)
    parts = out.split("\0")
    for where, _, value in zip(parts[0::3], parts[1::3], parts[2::3], strict=False):
        if value not in ("unspecified", "unset"):
            raise GitFailed(
                f"{where} goes through the filter {value!r}, which is not run here: "
                "the user has to do this"
            )


def _message(message: str, model: str) -> str:
    """The commit message with the trailer. Raises GitFailed when there is none."""
    lines = [line.rstrip() for line in message.strip().split("\n")]
    text = "\n".join(lines)
    if not text or not is_argument(text) or len(text) > MOST_MESSAGE:
        raise GitFailed("commit needs a message: one line that says what changed")
    last = lines[lines.index("") + 1 :] if "" in lines else []
    last = lines[len(lines) - lines[::-1].index("") :] if "" in lines else last
    gap = "\n" if last and all(_TRAILER.match(line) for line in last) else "\n\n"
    who = re.sub(r"[^\w.:/+ -]", "", model).strip()
    return f"{text}{gap}Assisted-by: ingle{f' ({who})' if who else ''}\n"


def _some(paths: list[str]) -> str:
    return ", ".join(paths[:20]) + (f" and {len(paths) - 20} more" if len(paths) > 20 else "")
