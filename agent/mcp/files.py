"""Small JSON files of ours: read with clear errors, written whole and only for this user."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

from agent.errors import ConfigError

LARGEST = 5_000_000


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; empty where there is no file.

    Raises:
        ConfigError: it cannot be read, or is no JSON object.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise ConfigError(f"{path}: no regular file")  # a pipe would be waited on for ever
        if status.st_size > LARGEST:
            raise ConfigError(f"{path}: too large for a settings file")
        value = json.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: check its permissions") from error
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{path}: not valid JSON at {place}: {error.msg}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON") from error
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: has to be a JSON object")
    return value


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace the file in one step, with mode 0600.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(value, file, indent=2, ensure_ascii=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except (OSError, UnicodeEncodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "half of a surrogate pair"
        raise ConfigError(f"{path}: cannot be written: {reason}") from error
