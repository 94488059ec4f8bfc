"""One setting of the user's config.toml, changed in place: all else stays as they wrote it."""

from __future__ import annotations

import json
import os
import re
import tomllib
from pathlib import Path

from agent.errors import ConfigError

_HEAD = re.compile(r"^\s*\[ui\]\s*(#.*)?$", re.MULTILINE)
_NEXT = re.compile(r"^\s*\[", re.MULTILINE)


def save_ui(path: Path, name: str, value: str) -> None:
    """Write `name = "value"` under [ui].

    Raises:
        ConfigError: the file is not one that can be changed so; it stays as it is.
    """
    line = f"{name} = {json.dumps(value)}"
    try:
        text = path.read_text("utf-8") if path.exists() else ""
        before = tomllib.loads(text)
        changed = _changed(text, name, line)
        after = tomllib.loads(changed)
        wanted = {**before, "ui": {**before.get("ui", {}), name: value}}
        if after != wanted:
            raise ValueError("its [ui] is written in another way")
        path.parent.mkdir(parents=True, exist_ok=True)
        target = path.resolve()  # the file behind a link is changed, and the link stays
        temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
        temporary.write_text(changed, "utf-8")
        if path.exists():
            temporary.chmod(target.stat().st_mode & 0o777)
        temporary.replace(target)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"not saved: write {line} under [ui] in {path} ({error})") from error


def _changed(text: str, name: str, line: str) -> str:
    """`text` with the line in place of the one that says `name`, or as a new one."""
    head = _HEAD.search(text)
    if head is None:
        begin = f"{text.rstrip()}\n\n" if text.strip() else ""
        return f"{begin}[ui]\n{line}\n"
    following = _NEXT.search(text, head.end())
    end = following.start() if following else len(text)
    section = text[head.end() : end]
    there = re.compile(rf"^[ \t]*{re.escape(name)}[ \t]*=.*$", re.MULTILINE)
    if there.search(section):
        section = there.sub(lambda _match: line, section, count=1)
    else:
        section = f"\n{line}{section}" if section else f"\n{line}\n"
    return text[: head.end()] + section + text[end:]
