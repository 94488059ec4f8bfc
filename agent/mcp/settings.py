"""Which servers there are: the user's own file, and the `.mcp.json` of the project.

Both have the form that other tools write: ``{"mcpServers": {NAME: {"command": ..., "args": [...],
"env": {...}} or {"url": ..., "headers": {...}}}}``. What a project says is only shown until it is
approved; a name of the user's own is never taken over, and neither is one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from agent.config import Folders
from agent.errors import ConfigError
from agent.mcp.builtin import BUILT_IN
from agent.mcp.files import read_json, write_json
from agent.mcp.names import is_server_name
from agent.mcp.oauth import asserts_identity, oauth_problem, oauth_settings
from tools.mcp.entry import CALL_S, START_S, Entry, Grants, HttpEntry, StdioEntry

PROJECT_FILE = ".mcp.json"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)(?::-([^}]*))?\}")


Source = Literal["user", "project", "built in"]


@dataclass(frozen=True)
class Configured:
    """One server as a file has it. `problem` says why it cannot be used ('' if it can).

    `raw` is the entry as it is written, before variables are filled in: that is what is shown to
    the user and what trust is given to.
    """

    name: str
    raw: dict[str, Any] = field(default_factory=dict)
    source: Source = "user"
    problem: str = ""

    @property
    def disabled(self) -> bool:
        return bool(self.raw.get("disabled"))

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that it reads, in order."""
        return tuple(dict.fromkeys(_variables(self.raw)))

    def shown(self) -> str:
        """One line: what would be started, or where it is."""
        if self.source == "built in":
            return BUILT_IN[self.name]
        if "url" in self.raw:
            return str(self.raw["url"])
        return " ".join(map(str, [self.raw.get("command", ""), *self.raw.get("args", [])]))


def user_file(folders: Folders) -> Path:
    return folders.config / "mcp.json"


def configured(folders: Folders, project: Path | None) -> list[Configured]:
    """All servers: ours, the user's, the project's.

    Raises:
        ConfigError: the user's file cannot be read. A project's file that cannot is one line in
            the list, since it must not keep the user from working.
    """
    own = _entries(user_file(folders), "user")
    named = {entry.name for entry in own}
    own = [Configured(name, {}, "built in") for name in BUILT_IN if name not in named] + own
    if project is None:
        return own
    taken = {entry.name.lower() for entry in own}
    try:
        theirs = _entries(project / PROJECT_FILE, "project")
    except ConfigError as error:
        return [*own, Configured(PROJECT_FILE, {}, "project", str(error))]
    return own + [
        Configured(e.name, e.raw, "project", "there is another server of this name")
        if e.name.lower() in taken
        else e
        for e in theirs
    ]


def _entries(path: Path, source: Source) -> list[Configured]:
    servers = read_json(path).get("mcpServers", {})
    if not isinstance(servers, dict):
        raise ConfigError(f"{path}: mcpServers has to be an object")
    return [_entry(name, raw, source) for name, raw in servers.items()]


def _entry(name: str, raw: Any, source: Source) -> Configured:
    """An entry of a file; the user's one without a command or an address is a switch of ours."""
    raw_or_none = raw if isinstance(raw, dict) else {}
    if name in BUILT_IN and source == "user" and not {"command", "url"} & raw_or_none.keys():
        return Configured(name, {"disabled": bool(raw_or_none.get("disabled"))}, "built in")
    problem = _problem(name, raw)
    if not problem and source == "project" and asserts_identity(raw.get("oauth", {})):
        problem = "the grant identity_assertion stands in your own file only"
    return Configured(name, raw_or_none, source, problem)


def _problem(name: str, raw: Any) -> str:
    """Why an entry is none; its values are not filled in yet."""
    if not is_server_name(name):
        return "a name has letters, digits, - and single _, at most 31"
    if not isinstance(raw, dict):
        return "the entry is no object"
    if raw.get("type") == "sse":
        return "the transport 'sse' is gone from MCP: ask its maker for streamable HTTP"
    if ("command" in raw) == ("url" in raw):
        return "it needs either a command or a url"
    for key, kind, word in _FIELDS:
        if key in raw and not isinstance(raw[key], kind):
            return f"{key} has to be {word}"
    for key in ("args", "read", "write", "allow"):
        items = raw.get(key, [])
        if isinstance(items, list) and not all(isinstance(item, str) for item in items):
            return f"{key} has to be an array of strings"
    for key in ("env", "headers", "oauth"):
        if not all(isinstance(item, str) for item in raw.get(key, {}).values()):
            return f"{key} has to be an object of strings"
    if "url" in raw and not re.match(r"https?://[^/]", raw["url"]) and "${" not in raw["url"]:
        return "a url begins with http:// or https://"
    return oauth_problem(raw.get("oauth", {}))


_FIELDS: tuple[tuple[str, Any, str], ...] = (
    ("command", str, "a string"), ("url", str, "a string"), ("cwd", str, "a string"),
    ("args", list, "an array"), ("read", list, "an array"), ("write", list, "an array"),
    ("env", dict, "an object"), ("headers", dict, "an object"), ("oauth", dict, "an object"),
    ("allow", (bool, list), "true or an array of names of tools"),
    ("network", bool, "true or false"), ("disabled", bool, "true or false"),
    ("startTimeout", (int, float), "a number of seconds"),
    ("timeout", (int, float), "a number of seconds"),
)  # fmt: skip


def entry_of(server: Configured, environment: Mapping[str, str], project: Path) -> Entry:
    """The entry with its variables filled in: ``${NAME}`` and ``${NAME:-default}``, nothing else.

    Raises:
        ConfigError: it has a problem, or a variable is not set.
    """
    if server.problem:
        raise ConfigError(f"MCP server {server.name}: {server.problem}")
    missing = [
        name
        for name, default in _VARIABLE.findall("\n".join(_texts(server.raw)))
        if name not in environment and not default
    ]
    if missing:
        raise ConfigError(f"MCP server {server.name}: the variable {missing[0]} is not set")
    raw: dict[str, Any] = _filled(server.raw, environment)
    start_s, call_s = raw.get("startTimeout", START_S), raw.get("timeout", CALL_S)
    if "url" in raw:
        oauth = raw.get("oauth", {})
        if problem := oauth_problem(oauth):  # with its variables filled in
            raise ConfigError(f"MCP server {server.name}: {problem}")
        return HttpEntry(
            server.name, raw["url"], raw.get("headers", {}), oauth_settings(oauth), start_s, call_s
        )
    grants = Grants(
        raw.get("network", True), tuple(raw.get("read", ())), tuple(raw.get("write", ()))
    )
    return StdioEntry(
        server.name, raw["command"], tuple(raw.get("args", ())), raw.get("env", {}),
        project / raw.get("cwd", "."), grants, start_s, call_s,
    )  # fmt: skip


def _filled(value: Any, environment: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _VARIABLE.sub(lambda m: environment.get(m[1], m[2] or ""), value)
    if isinstance(value, list):
        return [_filled(item, environment) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, environment) for key, item in value.items()}
    return value


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [text for item in value for text in _texts(item)] if isinstance(value, list) else []


def _variables(value: Any) -> list[str]:
    return [name for text in _texts(value) for name, _ in _VARIABLE.findall(text)]


def add_server(folders: Folders, name: str, raw: dict[str, Any]) -> None:
    """Write an entry into the user's file. Raises ConfigError."""
    if problem := _problem(name, raw):
        raise ConfigError(f"MCP server {name}: {problem}")
    path = user_file(folders)
    whole = read_json(path)
    write_json(path, {**whole, "mcpServers": {**whole.get("mcpServers", {}), name: raw}})


def switch_server(folders: Folders, server: Configured, *, off: bool) -> None:
    """Let a server of the user's, or one of ours, be left out or used again. Raises ConfigError."""
    raw = {key: value for key, value in server.raw.items() if key != "disabled"}
    if off:
        raw["disabled"] = True
    path = user_file(folders)
    whole = read_json(path)
    servers = {**whole.get("mcpServers", {}), server.name: raw}
    if not raw:
        del servers[server.name]
    write_json(path, {**whole, "mcpServers": servers})


def remove_server(folders: Folders, name: str) -> bool:
    """Take an entry out of the user's file; whether it was there. Raises ConfigError."""
    path = user_file(folders)
    whole = read_json(path)
    servers = dict(whole.get("mcpServers", {}))
    if name not in servers:
        return False
    del servers[name]
    write_json(path, {**whole, "mcpServers": servers})
    return True
