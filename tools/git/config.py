"""What a repository's own configuration may not decide: which programs run, and where files are.

A cloned repository can name programs in its configuration, directly, in included files, and per
worktree. All keys that are set there are listed (which runs nothing), and each that may name a
program is overridden through the environment, which git lets win.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

# Sections that hold nothing but programs and what is done with them.
_SECTIONS = frozenset(
    {"alias", "browser", "credential", "difftool", "filter", "gpg", "guitool", "hook", "instaweb",
     "man", "mergetool", "pager", "protocol", "sendemail", "tar", "trailer", "web"}
)  # fmt: skip
# Last parts of keys that name a program, or a file that git reads in its place.
_NAMES = re.compile(
    r"(command|cmd|program|helper|driver|textconv|clean|smudge|process|editor|pager|askpass|proxy"
    r"|hook|hooks|hookspath|fsmonitor|external|vcs|uploadpack|receivepack|filter|tool|browser"
    r"|template|templatedir|file|promisor|partialclone|partialclonefilter|update)$"
)
_VALUES = {
    "core.attributesfile": "/dev/null",
    "core.excludesfile": "/dev/null",
    "core.fsmonitor": "false",
    "core.hookspath": "/dev/null",
    "diff.orderfile": "/dev/null",
    "gpg.program": "false",
    "log.showsignature": "false",
    "submodule.recurse": "false",
    "status.submodulesummary": "false",
}
# Overridden whether they are set or not.
ALWAYS = {
    "safe.directory": "*",  # files are owned by whoever owns them outside of the sandbox
    "core.fsmonitor": "false",
    "core.hooksPath": "/dev/null",
    "core.pager": "cat",
    "core.sshCommand": "false",
    "core.quotePath": "false",
    "diff.external": "",
    "diff.ignoreSubmodules": "all",
    "diff.submodule": "short",
    "credential.helper": "",
    "gc.auto": "0",
    "log.showSignature": "false",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "submodule.recurse": "false",
    "status.submoduleSummary": "false",
}
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "",  # none
    "GIT_ASKPASS": "false",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_SYSTEM": "/dev/null",
    "GIT_EDITOR": "false",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_SSH_COMMAND": "false",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C.UTF-8",
    "SSH_ASKPASS": "false",
}


@dataclass(frozen=True)
class Setting:
    """A key as git prints it (section and name in lower case) and its value."""

    key: str
    value: str


def parse_settings(listed: bytes) -> list[Setting]:
    """What ``git config --list -z`` printed; the last of several with one key wins."""
    found = []
    for item in listed.split(b"\0"):
        key, _, value = item.decode("utf-8", "surrogateescape").partition("\n")
        if key:
            found.append(Setting(key, value))
    return found


def names_a_program(key: str) -> bool:
    """Whether the key's value may be run, or read in place of the user's own settings."""
    section, name = key.split(".", 1)[0].lower(), key.rsplit(".", 1)[-1].lower()
    return section in _SECTIONS or _NAMES.search(name) is not None or key.lower() in _VALUES


def overrides(keys: Iterable[str]) -> dict[str, str]:
    """The settings that make the listed keys harmless, and those that are always made so."""
    found = dict(ALWAYS)
    known = {key.lower() for key in found}
    for key in keys:
        if not names_a_program(key) or key.lower() in known:
            continue
        found[key] = _harmless(key)
        if key.lower().startswith("filter."):
            found[f"{key.rsplit('.', 1)[0]}.required"] = "false"
    return found


def git_environment(env: Mapping[str, str], settings: Mapping[str, str]) -> dict[str, str]:
    """`env` without what it tells git, plus the settings as GIT_CONFIG_KEY_n and _VALUE_n."""
    kept = {name: value for name, value in env.items() if not name.startswith("GIT_")}
    result = kept | _ENVIRONMENT | {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        result[f"GIT_CONFIG_KEY_{number}"] = key
        result[f"GIT_CONFIG_VALUE_{number}"] = value
    return result


def _harmless(key: str) -> str:
    lower = key.lower()
    if lower in _VALUES:
        return _VALUES[lower]
    if lower.startswith("protocol."):
        return "never"
    if lower.startswith("submodule.") and lower.endswith(".update"):
        return "none"
    if lower.endswith((".required", ".promisor")) or lower.startswith("pager."):
        return "false"
    return ""
