"""What a person has allowed while the agent ran: for this session, or for good.

What holds for good is kept in a file of the agent's own, `permissions.toml` beside the user's
`config.toml`, so that nothing that a person wrote is ever rewritten. A rule is one line there::

    allow = [
        "shell(make test)",
    ]
"""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from agent.errors import ConfigError
from agent.policy.rules import Rule, parse_rule
from agent.policy.verdict import Decision

FILE = "permissions.toml"
HEAD = "# Written by `agent` when you answer 'always'. Delete a line to be asked again.\n"


@dataclass(frozen=True)
class Grants:
    """Allow rules that came while the agent ran; `folder` is where permissions.toml is kept.

    Shared by all copies of a dispatcher: the list grows in place.
    """

    folder: Path | None = None
    rules: list[Rule] = field(default_factory=list)

    def add(self, pattern: str, *, for_good: bool) -> str:
        """Allow what `pattern` says from now on; '' or why it could not be kept for good."""
        rule = parse_rule(pattern, Decision.ALLOW)
        if rule not in self.rules:
            self.rules.append(rule)
        if not for_good:
            return ""
        if self.folder is None:
            return "there is no folder for settings: it is allowed in this session only"
        try:
            keep(self.folder, rule)
        except (OSError, ConfigError) as error:
            return f"it is allowed in this session only: {error}"
        return ""


def load(folder: Path) -> tuple[Rule, ...]:
    """The rules of permissions.toml in the settings folder; none when there is no such file.

    Raises:
        ConfigError: the file cannot be read, or a line of it is no rule.
    """
    path = folder / FILE
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    try:
        lines = tomllib.loads(text).get("allow", [])
        return tuple(parse_rule(str(line), Decision.ALLOW) for line in lines)
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path}: {error}; correct it, or delete the file") from error


def keep(folder: Path, rule: Rule) -> None:
    """Add the rule to permissions.toml, which is written anew. Raises OSError, ConfigError."""
    rules = load(folder)
    if rule in rules:
        return
    lines = [f"    {json.dumps(each.text, ensure_ascii=False)}," for each in (*rules, rule)]
    text = HEAD + "\n".join(["allow = [", *lines, "]", ""])
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    replace_file(folder / FILE, text)


def replace_file(path: Path, text: str) -> None:
    """Write a file of the user's settings so that it holds the old text or the new. OSError."""
    path = path.resolve()
    temporary = path.parent / f".{path.name}-{secrets.token_hex(6)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
