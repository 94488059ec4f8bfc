"""What a command may do in a folder: its settings, its trust, and the policy that comes of both."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from agent.config import Folders
from agent.policy import Grants, Policy
from agent.policy.trust import Trust, look, record
from agent.settings import Loaded, load_settings
from agent.ui.escape import safe_line


@dataclass(frozen=True)
class Rights:
    """`check` is the project's own, '' where the folder is not trusted or has none.

    `notices` are lines for the user: what was left out of the project's file, and why.
    """

    loaded: Loaded
    trust: Trust
    policy: Policy
    grants: Grants
    check: str
    notices: tuple[str, ...]


def find_rights(
    folders: Folders,
    root: Path,
    flags: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    trust: bool = False,
    can_ask: bool = False,
) -> Rights:
    """Read the settings for the folder `root` (resolved), and whether it is trusted.

    `trust` trusts it from now on. Where a person can be asked, a folder with a configuration of its
    own is asked about once. Raises ConfigError.
    """
    loaded = load_settings(folders, root, os.environ, flags)
    found = look(root, folders.state)
    if trust and not found.trusted:
        found = record(root, folders.state, trusted=True)
    elif found.state == "unknown" and found.files and can_ask:
        found = _ask(root, folders.state, found, loaded.check)
    notices = list(loaded.notices)
    check = loaded.check if found.trusted else ""
    if loaded.check and not check:
        notices.append(
            f"this folder is not trusted, so its check is not used: {loaded.check!r}; "
            "--trust uses it, --check names one"
        )
    policy = loaded.policy(trusted=found.trusted, can_ask=can_ask)
    return Rights(loaded, found, policy, Grants(folders.config), check, tuple(notices))


def _ask(root: Path, state: Path, found: Trust, check: str) -> Trust:
    """Ask once whether the folder's configuration may be used, and note the answer."""
    if not found.digest:
        return found  # a link, or too large: it cannot be trusted
    click.echo(f"{safe_line(str(root))} has a configuration of its own:", err=True)
    for name in found.files[:20]:
        click.echo(f"  {safe_line(name)}", err=True)
    if check:
        click.echo(f"It would run this as the check: {safe_line(check)}", err=True)
    yes = click.confirm("Do you trust what it says? You are asked once", default=False, err=True)
    return record(root, state, trusted=yes)
