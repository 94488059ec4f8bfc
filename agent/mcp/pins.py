"""What was approved: the hash of a server's entry and its tools as they were declared then.

A server may say something else about its tools each time it is asked. So a tool is used in the form
that was approved, and one that has changed is not used until it is approved again. The pinned
declarations also tell a session what tools there are before any server is connected.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from agent.config import Folders
from agent.errors import ConfigError
from agent.mcp.files import read_json, write_json
from agent.mcp.settings import Configured

# What may change in an entry without another approval.
_FREE = ("allow", "disabled", "timeout", "startTimeout")
LONGEST_DESCRIPTION = 600
LONGEST_INSTRUCTIONS = 1_200


@dataclass(frozen=True)
class ToolDeclaration:
    """A tool as its server declares it. `schema` is whatever the server says it is."""

    name: str
    description: str
    schema: Any
    reads_only: bool = False

    @property
    def digest(self) -> str:
        return _digest(asdict(self))


@dataclass(frozen=True)
class Pin:
    """`config` is the hash of the entry; `tools` are by the server's names."""

    config: str
    tools: Mapping[str, ToolDeclaration] = field(default_factory=dict)
    instructions: str = ""


def config_digest(server: Configured) -> str:
    """The hash of all that decides what is started, before variables are filled in."""
    return _digest({key: value for key, value in server.raw.items() if key not in _FREE})


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class Pins:
    """The pins of this user, one file a server. `project` is the folder of project servers."""

    def __init__(self, folders: Folders, project: Path):
        self._folder = folders.state / "mcp" / "pins"
        self._project = project.resolve()

    def get(self, server: Configured) -> Pin | None:
        """The pin of a server whose entry is still what it was; None if there is none."""
        try:
            data = read_json(self._path(server))
            tools = {
                name: ToolDeclaration(
                    name, str(t["description"]), t["schema"], bool(t["reads_only"])
                )
                for name, t in data.get("tools", {}).items()
            }
        except (ConfigError, KeyError, TypeError, AttributeError):
            return None  # a broken pin is no approval
        if data.get("config") != config_digest(server):
            return None
        return Pin(data["config"], tools, str(data.get("instructions", "")))

    def put(
        self, server: Configured, tools: Sequence[ToolDeclaration], instructions: str = ""
    ) -> Pin:
        """Approve a server as it is now. Raises ConfigError."""
        pin = Pin(config_digest(server), {tool.name: tool for tool in tools}, instructions)
        whole = {"server": server.name, "from": self._home(server), **asdict(pin)}
        write_json(self._path(server), whole)
        return pin

    def remove(self, server: Configured) -> None:
        """Forget the approval."""
        self._path(server).unlink(missing_ok=True)

    def _home(self, server: Configured) -> str:
        return "user" if server.source == "user" else str(self._project)

    def _path(self, server: Configured) -> Path:
        key = _digest([self._home(server), server.name])
        return self._folder / f"{server.name}-{key[:16]}.json"


@dataclass(frozen=True)
class Compared:
    """The tools that a server has now, against its pin: what may be used, and what may not."""

    same: tuple[ToolDeclaration, ...]
    new: tuple[ToolDeclaration, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def compare(pin: Pin | None, now: Sequence[ToolDeclaration]) -> Compared:
    """Without a pin all tools are new."""
    known = pin.tools if pin else {}
    names = {tool.name for tool in now}
    return Compared(
        tuple(t for t in now if t.name in known and known[t.name].digest == t.digest),
        tuple(t for t in now if t.name not in known),
        tuple(t.name for t in now if t.name in known and known[t.name].digest != t.digest),
        tuple(name for name in known if name not in names),
    )
