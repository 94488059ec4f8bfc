"""The repository of a workspace: where it is, in what state, and what the model may name in it."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tools.base import ToolContext
from tools.git.config import overrides, parse_settings
from tools.git.program import find_git
from tools.git.run import GitFailed, Outcome, run_git
from tools.protected import gitdir_of, worktree_repository
from tools.sandbox.environment import child_environment

# Names, ids and steps back from them; no colon (files go into `path`), no option, no space.
_REVISION = re.compile(r"[A-Za-z0-9_@][\w./@{}^~+-]{0,199}")
_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
}
IDENTITY_S = 10


@dataclass(frozen=True)
class Repository:
    """An open repository.

    ``overrides`` are the settings that take its own programs from it, ``settings`` what it sets.
    ``head`` is the id of the commit that is checked out, '' before the first one.
    """

    context: ToolContext
    gitdir: Path
    overrides: dict[str, str]
    settings: dict[str, str]
    head: str

    async def run(
        self, *arguments: str, writes: bool = False, given: bytes = b"",
        env: dict[str, str] | None = None,
    ) -> Outcome:  # fmt: skip
        """Run git; the caller looks at the exit code. Raises as run_git does."""
        return await run_git(
            self.context, arguments, self.overrides, writes=writes, given=given, env=env
        )

    async def text(self, *arguments: str, writes: bool = False, given: bytes = b"") -> str:
        """What git prints. Raises GitFailed when it fails."""
        done = await self.run(*arguments, writes=writes, given=given)
        if done.code:
            raise GitFailed(f"git {arguments[0]} failed: {done.complaint}")
        return done.text

    @property
    def under_way(self) -> str:
        """'a merge' or the like that was begun and not ended, else ''."""
        return next(
            (what for name, what in _UNDER_WAY.items() if (self.gitdir / name).exists()), ""
        )

    async def commit(self, revision: str) -> str:
        """The full id of the commit that the model's text names. Raises GitFailed."""
        if not self.head and revision in ("", "HEAD"):
            raise GitFailed("there is no commit yet")
        if not _REVISION.fullmatch(revision):
            raise GitFailed(
                f"{revision!r} is no revision: give a branch, a tag, an id, or HEAD~1; "
                "a file goes into path"
            )
        done = await self.run(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
        )
        found = done.text.strip()
        if done.code or not re.fullmatch(r"[0-9a-f]{40,64}", found):
            raise GitFailed(f"there is no revision {revision!r}: see actions branch and log")
        return found

    def path(self, model_path: str) -> str:
        """A path relative to the root for git, behind ``--``. Raises PathRefused."""
        return self.context.workspace.name(self.context.workspace.resolve(model_path))


async def open_repository(context: ToolContext) -> Repository:
    """The repository of the workspace.

    Raises:
        GitFailed: there is none, or none that may be used; the text says what is wrong.
        SandboxUnavailable: nothing confines commands here.
    """
    root = context.workspace.root
    gitdir = _gitdir(root)
    listed = await run_git(context, ["config", "--list", "-z", "--includes"])
    if listed.code:
        raise GitFailed(f"the repository's configuration cannot be read: {listed.complaint}")
    settings = {setting.key: setting.value for setting in parse_settings(listed.out)}
    worktree = settings.get("core.worktree", "")
    if worktree and (gitdir / worktree).resolve() != root:
        raise GitFailed("core.worktree is another folder: the user has to see to it")
    if settings.get("core.bare", "").lower() in ("true", "yes", "on", "1"):
        raise GitFailed("this is a bare repository: it has no files to work on")
    keys = overrides(settings)
    head = await run_git(context, ["rev-parse", "--verify", "--quiet", "HEAD"], keys)
    if head.code not in (0, 1):
        raise GitFailed(f"git cannot use this repository: {head.complaint}")
    return Repository(context, gitdir, keys, settings, head.text.strip())


def _gitdir(root: Path) -> Path:
    """The folder of the repository that belongs to `root`. Raises GitFailed."""
    marker = root / ".git"
    if not os.path.lexists(marker):
        raise GitFailed(_nothing_here(root))
    if not marker.is_symlink() and marker.is_dir():
        if not os.access(marker, os.R_OK | os.X_OK):
            raise GitFailed("the folder .git cannot be read: the user has to allow it")
        _refuse_shared(marker, root)
        return marker
    try:
        gitdir = gitdir_of(root)
    except (OSError, RuntimeError):  # unreadable, or a link that leads to itself
        gitdir = None
    if gitdir is None:
        raise GitFailed("the file .git does not lead to a repository: the user has to see to it")
    if not gitdir.is_relative_to(root) and worktree_repository(root) is None:
        # Any folder of the user's could be named there.
        raise GitFailed(
            "the file .git leads to a repository outside of the workspace that does not name this "
            "folder as its worktree (as in a submodule): work from the folder of that repository"
        )
    if gitdir.is_relative_to(root):
        _refuse_shared(gitdir, root)
    return gitdir


def _refuse_shared(gitdir: Path, root: Path) -> None:
    """A folder in the workspace could say that it belongs to any repository of the user's."""
    try:
        shared = (gitdir / "commondir").read_text("utf-8", "replace").strip()
    except OSError:
        return
    if "\0" in shared or not (gitdir / shared).resolve().is_relative_to(root):
        raise GitFailed("the git folder says that its repository is outside of the workspace")


def _nothing_here(root: Path) -> str:
    if (root / "HEAD").is_file() and (root / "objects").is_dir():
        return "this is a bare repository: it has no files to work on"
    above = next((folder for folder in root.parents if (folder / ".git").exists()), None)
    if above is not None:
        return f"the repository begins above the workspace, in {above}: git works from there only"
    return "this folder is no git repository (the user can make one with git init)"


def identity(root: Path, settings: dict[str, str]) -> tuple[str, str]:
    """The user's name and address: the repository's own settings, else the user's.

    Raises:
        GitFailed: there is none.
    """
    env = child_environment(os.environ, root)
    name = os.environ.get("GIT_AUTHOR_NAME") or settings.get("user.name", "")
    mail = os.environ.get("GIT_AUTHOR_EMAIL") or settings.get("user.email", "")
    for scope in ("--global", "--system"):
        found = _settings_of_user(scope, env, root)
        name, mail = name or found.get("user.name", ""), mail or found.get("user.email", "")
    if not name or not mail:
        raise GitFailed(
            "not committed: git does not know the user's name and address; "
            "the user sets them with git config --global user.name and user.email"
        )
    return name, mail


def _settings_of_user(scope: str, env: dict[str, str], root: Path) -> dict[str, str]:
    """The identity in the user's own settings; nothing in the repository is run or decides."""
    program = find_git(env["PATH"], root)
    if program is None:
        return {}
    # Of the repository only its place counts, for includeIf "gitdir:".
    env = env | {"GIT_DIR": str(root / ".git"), "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            [program, "config", scope, "--includes", "-z", "--get-regexp", r"^user\."],
            env=env, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=IDENTITY_S,
            check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return {setting.key: setting.value for setting in parse_settings(done.stdout)}
