"""A hostile repository: nothing that it names is run, by the git tool or by a checkpoint.

The tool runs without a sandbox here, so that what holds is its own defence. Each attack is first
shown to work with plain git.
"""

from __future__ import annotations

import os
import pty
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.checkpoints.store import Checkpoints
from tools.git.tool import GitArguments, git_tool

ACTIONS = [
    {"action": "status"},
    {"action": "diff"},
    {"action": "diff", "rev": "HEAD~1..HEAD"},
    {"action": "log"},
    {"action": "log", "rev": "main", "path": "f.txt"},
    {"action": "show"},
    {"action": "show", "path": "f.txt"},
    {"action": "show", "rev": "signed"},
    {"action": "blame", "path": "f.txt"},
    {"action": "branch"},
    {"action": "branch", "rev": "new"},
    {"action": "add", "path": "g.txt"},
    {"action": "add", "path": "."},
    {"action": "commit", "path": "new.md", "message": "third"},
    {"action": "commit", "message": "fourth", "path": "."},
    {"action": "restore", "path": "f.txt"},
    {"action": "restore", "rev": "HEAD~1", "path": "g.txt"},
]


class Hostile:
    """A repository with two commits and a changed file; `bait` is a program that leaves a mark."""

    def __init__(self, root: Path, outside: Path) -> None:
        self.root = root
        self.changes = 0
        self.mark = outside / "mark"
        self.bait = outside / "bait.sh"
        self.bait.write_text(f"#!/bin/sh\ntouch {self.mark}\ncat 2>/dev/null </dev/null\n")
        self.bait.chmod(0o755)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "A User")
        self.git("config", "user.email", "user@example.org")
        for number in (1, 2):
            (root / "f.txt").write_text(f"{number}\n")
            (root / "g.txt").write_text(f"{number}\n")
            self.git("add", "-A")
            self.git("commit", "-q", "-m", str(number))
        self.change()

    def change(self) -> None:
        self.changes += 1
        for name in ("f.txt", "g.txt", "new.md"):
            (self.root / name).write_text(f"changed {self.changes}\n")

    def git(self, *arguments: str, cwd: Path | None = None) -> str:
        """Plain git, as a user would run it; failures are part of attacks."""
        done = subprocess.run(
            ["git", *arguments], cwd=cwd or self.root, capture_output=True, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        return done.stdout.decode()

    def config(self, key: str, value: str) -> None:
        self.git("config", key, value)

    def hook(self, name: str) -> None:
        path = self.root / ".git/hooks" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(self.bait.read_bytes())
        path.chmod(0o755)

    def attributes(self, text: str, where: str = ".gitattributes") -> None:
        path = self.root / where
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def sprung(self) -> bool:
        """Whether the bait was run since the last time."""
        there = self.mark.exists()
        self.mark.unlink(missing_ok=True)
        return there

    def on_a_terminal(self, *arguments: str) -> None:
        """Plain git whose output is a terminal."""
        ours, theirs = pty.openpty()
        with subprocess.Popen(
            ["git", *arguments], cwd=self.root, stdout=theirs, stderr=theirs,
            stdin=subprocess.DEVNULL, env=os.environ | {"TERM": "xterm"},
        ) as process:  # fmt: skip
            os.close(theirs)
            process.wait()
        os.close(ours)


def fsmonitor(h: Hostile) -> Callable[[], object]:
    h.config("core.fsmonitor", str(h.bait))
    return lambda: h.git("status")


def clean_filter(h: Hostile) -> Callable[[], object]:
    h.attributes("*.txt filter=x\n")
    h.config("filter.x.clean", str(h.bait))
    h.config("filter.x.required", "true")
    return lambda: h.git("add", "f.txt")


def smudge_filter(h: Hostile) -> Callable[[], object]:
    h.attributes("*.txt filter=x\n")
    h.config("filter.x.smudge", str(h.bait))
    return lambda: h.git("checkout", "--", "f.txt")


def process_filter(h: Hostile) -> Callable[[], object]:
    h.attributes("*.txt filter=x\n")
    h.config("filter.x.process", str(h.bait))
    return lambda: h.git("add", "f.txt")


def attributes_in_info(h: Hostile) -> Callable[[], object]:
    h.attributes("*.txt filter=x diff=x\n", ".git/info/attributes")
    h.config("filter.x.clean", str(h.bait))
    h.config("diff.x.textconv", str(h.bait))
    return lambda: h.git("diff")


def textconv(h: Hostile) -> Callable[[], object]:
    h.attributes("*.txt diff=x\n")
    h.config("diff.x.textconv", str(h.bait))
    return lambda: h.git("diff")


def external_diff(h: Hostile) -> Callable[[], object]:
    h.config("diff.external", str(h.bait))
    return lambda: h.git("diff")


def diff_command(h: Hostile) -> Callable[[], object]:
    h.attributes("*.txt diff=x\n")
    h.config("diff.x.command", str(h.bait))
    return lambda: h.git("diff")


def hook(name: str, *trigger: str) -> Callable[[Hostile], Callable[[], object]]:
    def attack(h: Hostile) -> Callable[[], object]:
        h.hook(name)
        return lambda: h.git(*trigger)

    return attack


def hooks_path(h: Hostile) -> Callable[[], object]:
    h.hook("post-index-change")
    (h.root / ".git/hooks").rename(h.root / "tricks")
    h.config("core.hooksPath", "tricks")
    return lambda: h.git("add", "f.txt")


def pager(h: Hostile) -> Callable[[], object]:
    h.config("core.pager", str(h.bait))
    return lambda: h.on_a_terminal("log")


def pager_of_a_command(h: Hostile) -> Callable[[], object]:
    h.config("pager.status", str(h.bait))
    return lambda: h.on_a_terminal("status")


def editor(h: Hostile) -> Callable[[], object]:
    h.config("core.editor", str(h.bait))
    return lambda: h.git("commit", "-a")


def alias(h: Hostile) -> Callable[[], object]:
    h.config("alias.write-it", f"!{h.bait}")
    return lambda: h.git("write-it")


def included_file(h: Hostile) -> Callable[[], object]:
    (h.root / "more.cfg").write_text(f"[core]\n\tfsmonitor = {h.bait}\n")
    h.config("include.path", "../more.cfg")
    return lambda: h.git("status")


def conditionally_included_file(h: Hostile) -> Callable[[], object]:
    (h.root / "more.cfg").write_text(f"[core]\n\tfsmonitor = {h.bait}\n")
    h.config("includeIf.onbranch:**.path", "../more.cfg")
    return lambda: h.git("status")


def worktree_configuration(h: Hostile) -> Callable[[], object]:
    h.config("extensions.worktreeConfig", "true")
    (h.root / ".git/config.worktree").write_text(f"[core]\n\tfsmonitor = {h.bait}\n")
    return lambda: h.git("status")


def nested_repository(h: Hostile) -> Callable[[], object]:
    inner = h.root / "inner"
    inner.mkdir()
    h.git("init", "-q", cwd=inner)
    for key, value in (("user.name", "x"), ("user.email", "x")):
        h.git("config", key, value, cwd=inner)
    (inner / "file").write_text("x\n")
    h.git("add", "-A", cwd=inner)
    h.git("commit", "-qm", "x", cwd=inner)
    h.git("config", "core.fsmonitor", str(h.bait), cwd=inner)
    return lambda: h.git("-C", "inner", "status")


def submodule(h: Hostile) -> Callable[[], object]:
    nested_repository(h)
    h.git("add", "inner")
    (h.root / ".gitmodules").write_text(
        '[submodule "inner"]\n\tpath = inner\n\turl = ./inner\n\tignore = none\n'
    )
    h.config("diff.submodule", "log")
    h.config("submodule.inner.update", f"!{h.bait}")
    h.sprung()
    return lambda: h.git("status")


def signing_program(h: Hostile) -> Callable[[], object]:
    h.config("gpg.program", str(h.bait))
    h.config("commit.gpgSign", "true")
    return lambda: h.git("commit", "-am", "x")


def signature_of_a_commit(h: Hostile) -> Callable[[], object]:
    text = h.git("cat-file", "commit", "HEAD").replace(
        "\n\n", "\ngpgsig -----BEGIN PGP SIGNATURE-----\n \n -----END PGP SIGNATURE-----\n\n", 1
    )
    (h.root / "signed").write_text(text)
    signed = h.git("hash-object", "-t", "commit", "-w", "signed").strip()
    h.git("branch", "-f", "signed", signed)
    h.git("reset", "-q", signed)
    h.config("gpg.program", str(h.bait))
    h.config("log.showSignature", "true")
    return lambda: h.git("log")


def trailer_command(h: Hostile) -> Callable[[], object]:
    h.config("trailer.x.command", str(h.bait))
    h.config("trailer.x.key", "X")
    return lambda: h.git("commit", "--allow-empty", "-m", "x", "--trailer", "x=1")


def partial_clone(h: Hostile, url: str) -> None:
    """Objects are missing, and git fetches them when they are asked for."""
    h.config("core.repositoryFormatVersion", "1")
    h.config("extensions.partialClone", "origin")
    h.config("remote.origin.url", url)
    h.config("remote.origin.promisor", "true")
    blob = h.git("rev-parse", "HEAD~1:f.txt").strip()
    (h.root / ".git/objects" / blob[:2] / blob[2:]).unlink()


def ssh_command(h: Hostile) -> Callable[[], object]:
    partial_clone(h, "ssh://example.invalid/x")
    h.config("core.sshCommand", str(h.bait))
    return lambda: h.git("show")


def upload_pack(h: Hostile) -> Callable[[], object]:
    partial_clone(h, f"file://{h.root}")
    h.config("remote.origin.uploadpack", str(h.bait))
    return lambda: h.git("show")


def remote_helper(h: Hostile) -> Callable[[], object]:
    partial_clone(h, f"ext::{h.bait}")
    h.config("protocol.ext.allow", "always")
    return lambda: h.git("show")


def remote_vcs(h: Hostile) -> Callable[[], object]:
    partial_clone(h, str(h.bait))
    h.config("remote.origin.vcs", "ext")
    h.config("protocol.ext.allow", "always")
    return lambda: h.git("show")


def git_proxy(h: Hostile) -> Callable[[], object]:
    partial_clone(h, "git://example.invalid/x")
    h.config("core.gitProxy", str(h.bait))
    return lambda: h.git("show")


ATTACKS = [
    fsmonitor, clean_filter, smudge_filter, process_filter, attributes_in_info, textconv,
    external_diff, diff_command, hooks_path, pager, pager_of_a_command, editor, alias,
    included_file, conditionally_included_file, worktree_configuration, nested_repository,
    submodule, signing_program, signature_of_a_commit, trailer_command, ssh_command, upload_pack,
    remote_helper, remote_vcs, git_proxy,
]  # fmt: skip
HOOKS = {
    "pre-commit": ("commit", "-am", "x"),
    "prepare-commit-msg": ("commit", "-am", "x"),
    "commit-msg": ("commit", "-am", "x"),
    "post-commit": ("commit", "-am", "x"),
    "post-checkout": ("checkout", "--", "f.txt"),
    "post-index-change": ("add", "f.txt"),
    "reference-transaction": ("branch", "other"),
}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def hostile(root: Path, outside: Path) -> Hostile:
    return Hostile(root, outside)


async def use_everything(h: Hostile, context: ToolContext, store: Path) -> None:
    """All actions of the tool, and checkpoints of the folder."""
    checkpoints = Checkpoints(store, h.root)
    before = checkpoints.save("before")
    tool = git_tool("a-model")
    for action in ACTIONS:
        h.change()
        for name in ("f.txt", "g.txt"):
            path = context.workspace.resolve(name)
            context.workspace.remember(path, path.read_bytes())
        await tool.run(GitArguments.model_validate(action), context)
    checkpoints.diff(before.id)
    checkpoints.restore(before.id, checkpoints.save("after").id)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
async def test_nothing_that_a_repository_names_is_run(
    hostile: Hostile, unconfined: ToolContext, ground: Path, attack: Callable[..., object]
) -> None:
    control = attack(hostile)
    assert not hostile.sprung()
    assert callable(control)
    control()
    assert hostile.sprung(), "the attack works on plain git"
    await use_everything(hostile, unconfined, ground / "store")
    assert not hostile.sprung()


@pytest.mark.parametrize("name", HOOKS)
async def test_no_hook_is_run(
    hostile: Hostile, unconfined: ToolContext, ground: Path, name: str
) -> None:
    control = hook(name, *HOOKS[name])(hostile)
    control()
    assert hostile.sprung(), "the attack works on plain git"
    await use_everything(hostile, unconfined, ground / "store")
    assert not hostile.sprung()


async def test_the_actions_do_their_work_in_a_repository_without_tricks(
    hostile: Hostile, unconfined: ToolContext
) -> None:
    """Else the tests above would prove nothing."""
    done = []
    for action in ACTIONS:
        hostile.change()
        for name in ("f.txt", "g.txt"):
            path = unconfined.workspace.resolve(name)
            unconfined.workspace.remember(path, path.read_bytes())
        arguments = GitArguments.model_validate(action)
        done.append((await git_tool().run(arguments, unconfined)).ok)
    refused = [action for action, ok in zip(ACTIONS, done, strict=True) if not ok]
    assert refused == [{"action": "show", "rev": "signed"}]


@pytest.mark.parametrize("action", ["diff", "log", "show"])
@pytest.mark.parametrize("field", ["rev", "path", "message"])
async def test_text_of_the_model_is_no_option(
    hostile: Hostile, unconfined: ToolContext, outside: Path, action: str, field: str
) -> None:
    file = outside / "written"
    hostile.git(action, f"--output={file}")
    assert file.exists(), "the attack works where the text becomes an argument"
    file.unlink()
    for text in (f"--output={file}", f" --output={file}", f"HEAD --output={file}",
                 f"HEAD\n--output={file}", f"-o{file}", f"HEAD..--output={file}"):  # fmt: skip
        arguments = GitArguments.model_validate({"action": action, field: text})
        await git_tool().run(arguments, unconfined)
        assert not file.exists()


@pytest.mark.parametrize(
    "text", ["--upload-pack=touch {file}", "-c core.fsmonitor={file}", "--exec-path={file}",
             "-D", "--delete", "-f", "--git-dir={file}", "-m", "--edit-description"]
)  # fmt: skip
@pytest.mark.parametrize("action", ["status", "diff", "log", "show", "blame", "branch", "add",
                                    "commit", "restore"])  # fmt: skip
async def test_an_option_in_any_place_changes_nothing(
    hostile: Hostile, unconfined: ToolContext, outside: Path, text: str, action: str
) -> None:
    text = text.format(file=outside / "written")
    refs = hostile.git("for-each-ref"), hostile.git("ls-files", "-s")
    for field in ("rev", "path"):
        await git_tool().run(
            GitArguments.model_validate({"action": action, field: text}), unconfined
        )
    assert (hostile.git("for-each-ref"), hostile.git("ls-files", "-s")) == refs
    assert names(outside) == ["bait.sh", "secret.txt"]


async def test_a_message_is_only_text(hostile: Hostile, unconfined: ToolContext) -> None:
    message = "-F/etc/passwd\n\n--amend\n$(touch x) `touch x`"
    arguments = GitArguments(action="commit", path="f.txt", message=message)
    result = await git_tool("m\nEvil: 1").run(arguments, unconfined)
    assert result.ok
    body = hostile.git("show", "-s", "--format=%B").strip()
    assert body == f"{message}\n\nAssisted-by: ingle (mEvil: 1)"
    assert hostile.git("rev-list", "--count", "HEAD").strip() == "3"


async def test_a_commit_template_is_not_read(
    hostile: Hostile, unconfined: ToolContext, outside: Path
) -> None:
    hostile.config("commit.template", str(outside / "secret.txt"))
    hostile.config("core.editor", "sh -c 'echo more >> \"$1\"' -")
    hostile.git("commit", "-a")
    assert "the secret" in hostile.git("show", "-s", "--format=%B"), "the attack works"
    hostile.change()
    (hostile.root / "f.txt").write_text("again\n")
    arguments = GitArguments(action="commit", path="f.txt", message="mine")
    assert (await git_tool().run(arguments, unconfined)).ok
    assert "the secret" not in hostile.git("show", "-s", "--format=%B")


@pytest.mark.parametrize("kind", ["file", "link"])
async def test_a_git_folder_elsewhere_is_not_used(
    hostile: Hostile, unconfined: ToolContext, outside: Path, ground: Path, kind: str
) -> None:
    store = outside / "store.git"
    (hostile.root / ".git").rename(store)
    if kind == "file":
        (hostile.root / ".git").write_text(f"gitdir: {store}\n")
    else:
        (hostile.root / ".git").symlink_to(store)
    hostile.config("core.fsmonitor", str(hostile.bait))
    hostile.git("status")
    assert hostile.sprung(), "the attack works on plain git"
    before = sorted(store.rglob("*"))
    for action in ACTIONS:
        result = await git_tool().run(GitArguments.model_validate(action), unconfined)
        assert not result.ok and "outside of the workspace" in result.text
    Checkpoints(ground / "store", hostile.root).save("x")
    assert sorted(store.rglob("*")) == before
    assert not hostile.sprung()


async def test_another_work_tree_is_not_used(
    hostile: Hostile, unconfined: ToolContext, outside: Path
) -> None:
    hostile.config("core.worktree", str(outside))
    assert "secret.txt" in hostile.git("status", "--porcelain"), "the attack works on plain git"
    for action in ACTIONS:
        result = await git_tool().run(GitArguments.model_validate(action), unconfined)
        assert not result.ok and "core.worktree" in result.text
    assert (outside / "secret.txt").read_text() == "the secret\n"


async def test_a_git_in_the_workspace_is_not_run(
    hostile: Hostile, unconfined: ToolContext, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = hostile.root / "git"
    planted.write_bytes(hostile.bait.read_bytes())
    planted.chmod(0o755)
    monkeypatch.setenv("PATH", f"{hostile.root}:{os.environ['PATH']}")
    hostile.git("status")
    assert hostile.sprung(), "the attack works where PATH is believed"
    await use_everything(hostile, unconfined, ground / "store")
    assert not hostile.sprung()


@pytest.mark.parametrize("name", ["GIT_EXTERNAL_DIFF", "GIT_SSH", "GIT_PAGER", "GIT_EDITOR"])
async def test_variables_of_the_environment_are_not_believed(
    hostile: Hostile, unconfined: ToolContext, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    if name == "GIT_SSH":
        partial_clone(hostile, "ssh://example.invalid/x")
    control = {"GIT_EXTERNAL_DIFF": "diff", "GIT_SSH": "show", "GIT_EDITOR": "commit -a"}
    monkeypatch.setenv(name, str(hostile.bait))
    if name == "GIT_PAGER":
        hostile.on_a_terminal("log")
    else:
        hostile.git(*shlex.split(control[name]))
    assert hostile.sprung(), "the attack works on plain git"
    for action in ACTIONS:
        hostile.change()
        await git_tool().run(GitArguments.model_validate(action), unconfined)
    assert not hostile.sprung()


async def test_a_link_in_the_workspace_does_not_lead_a_restore_out(
    hostile: Hostile, unconfined: ToolContext, outside: Path
) -> None:
    (hostile.root / "d").mkdir()
    (hostile.root / "d/secret.txt").write_text("mine\n")
    hostile.git("add", "d")
    hostile.git("commit", "-qm", "d")
    (hostile.root / "d/secret.txt").unlink()
    (hostile.root / "d").rmdir()
    (hostile.root / "d").symlink_to(outside)
    (hostile.root / "d/new").write_text("through the link")
    assert (outside / "new").exists(), "the attack works for plain writes"
    for path in ("d", "d/secret.txt", "."):
        await git_tool().run(GitArguments(action="restore", path=path), unconfined)
    assert (outside / "secret.txt").read_text() == "the secret\n"


@pytest.mark.parametrize("kind", ["folder", "file"])
async def test_another_repository_is_not_shared(
    hostile: Hostile, unconfined: ToolContext, outside: Path, kind: str
) -> None:
    """A git folder in the workspace that says it belongs to another repository of the user's."""
    theirs = outside / "theirs"
    theirs.mkdir()
    hostile.git("init", "-q", "-b", "main", cwd=theirs)
    (theirs / "plan.txt").write_text("x")
    hostile.git("add", "-A", cwd=theirs)
    hostile.git("-c", "user.name=a", "-c", "user.email=b", "commit", "-qm", "the secret plan",
                cwd=theirs)  # fmt: skip
    gitdir = hostile.root / ".git"
    if kind == "file":
        gitdir.rename(hostile.root / "store")
        gitdir.write_text("gitdir: store\n")
        gitdir = hostile.root / "store"
    (gitdir / "commondir").write_text(f"{theirs}/.git\n")
    assert "the secret plan" in hostile.git("log"), "the attack works on plain git"
    before = state_of(theirs / ".git")
    for action in ACTIONS:
        hostile.change()
        result = await git_tool().run(GitArguments.model_validate(action), unconfined)
        assert not result.ok and "outside of the workspace" in result.text
        assert "secret plan" not in result.text
    assert state_of(theirs / ".git") == before


def state_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (".gitmodules", '[submodule "x"]\n\tpath = x\n\turl = ./x\n\tupdate = !{bait}\n'),
        (".gitattributes", "*.txt filter=x diff=x merge=x\n"),
        (".lfsconfig", "[lfs]\n\turl = ext::{bait}\n"),
        (".mailmap", "A <a@b> {bait}\n"),
    ],
)
async def test_files_of_the_work_tree_name_no_program(
    hostile: Hostile, unconfined: ToolContext, ground: Path, name: str, text: str
) -> None:
    """What a clone brings along as files, together with the configuration of an earlier visit."""
    (hostile.root / name).write_text(text.format(bait=hostile.bait))
    for key in ("filter.x.clean", "filter.x.smudge", "diff.x.textconv", "merge.x.driver",
                "submodule.x.update", "alias.status", "core.pager", "core.editor",
                "credential.helper", "gpg.program", "core.fsmonitor"):  # fmt: skip
        value = f"!{hostile.bait}" if key.startswith(("alias", "sub", "cred")) else hostile.bait
        hostile.config(key, str(value))
    hostile.git("status")
    assert hostile.sprung(), "the attack works on plain git"
    await use_everything(hostile, unconfined, ground / "store")
    assert not hostile.sprung()
