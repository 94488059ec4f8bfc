"""From what the user wrote to a file that llama.cpp may see."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from agent.errors import UsageError
from agent.models.catalogue import CatalogueEntry, load_catalogue
from agent.models.fetch import is_here, missing
from agent.models.fetch import pull as fetch_model
from agent.models.gguf import TOKENS, Header, read_header
from agent.models.runnable import check_runnable
from agent.models.source import Progress, silent

_SEGMENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ResolvedModel:
    """A file that was checked; `entry` is None for a file that the user pointed at."""

    path: Path
    entry: CatalogueEntry | None
    header: Header


def hub_entry(reference: str) -> CatalogueEntry:
    """The entry for `hf:owner/repo/file.gguf`. Raises UsageError."""
    segments = reference.removeprefix("hf:").split("/")
    # Names become folders on this machine: no "..", no empty one, no leading dot.
    if len(segments) < 3 or not all(_SEGMENT.fullmatch(s) for s in segments):
        raise UsageError(f"{reference!r} is not of the form hf:owner/repo/file.gguf")
    if not segments[-1].lower().endswith(".gguf"):
        raise UsageError(f"{reference!r} does not name a .gguf file")
    return CatalogueEntry(
        name=reference,
        family="",
        context=0,
        size=0,
        sha256="",
        licence="",
        repo="/".join(segments[:2]),
        file="/".join(segments[2:]),
        sources=("hf",),
        folder="/".join(["hf", *segments[:-1]]),
    )


def find_entry(name: str) -> CatalogueEntry:
    """The entry for a catalogue name or an `hf:` reference. Raises UsageError."""
    return hub_entry(name) if name.startswith("hf:") else load_catalogue().get(name)


def _is_path(name: str) -> bool:
    if load_catalogue().find(name):
        return False
    return name.lower().endswith(".gguf") or "/" in name or name.startswith(("~", "."))


def resolve(
    name_or_path: str,
    models_dir: Path,
    *,
    offline: bool,
    progress: Progress = silent,
    pull: bool = True,
) -> ResolvedModel:
    """Find the model, fetch it if it is missing and `pull` is set, and check its header.

    Accepts a catalogue name, a path to a .gguf file, or `hf:owner/repo/file.gguf`. Raises
    UsageError for an unknown name, ModelUnavailable, NoSpace and BrokenModelFile.
    """
    if not name_or_path.startswith("hf:") and _is_path(name_or_path):
        path = Path(name_or_path).expanduser()
        # No hash vouches for this file, so its vocabulary is looked at as well.
        check_runnable(read_header(path, keep=(TOKENS,)))
        return ResolvedModel(path, None, read_header(path))
    entry = find_entry(name_or_path)
    path = entry.path_in(models_dir)
    if not is_here(entry, models_dir, progress):
        if not pull:
            raise missing(entry, models_dir, "not fetched yet")
        path = fetch_model(entry, models_dir, offline=offline, progress=progress)
    header = read_header(path)
    check_runnable(header, name=entry.name)
    return ResolvedModel(path, entry, header)
