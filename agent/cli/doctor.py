"""`agent doctor`: what works on this machine, and what to do about the rest."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

if TYPE_CHECKING:
    from agent.config import Folders
    from agent.models.catalogue import CatalogueEntry

CHILD_S = 60.0
LEAST_FREE = 1 << 30
OLDEST_PYTHON = (3, 11)
_SECRET = re.compile("KEY|TOKEN|SECRET|PASSWORD")
# In a process of its own: a library built for another CPU ends the process that imports it.
_CHILD = """
import json
from importlib.metadata import version
from agent.engine import native
native.silence()
from agent.engine.devices import gpu_devices
print(json.dumps({
    "version": version("llama-cpp-python"),
    "info": native.system_info(),
    "gpu": native.supports_gpu(),
    "gpus": [[d.description, d.free, d.total] for d in gpu_devices()],
    "amx": native.has_broken_amx(),
}))
"""

Level = Literal["ok", "warn", "problem"]


@dataclass(frozen=True)
class Finding:
    """One line: `topic`, what was found, and `advice` on what to do about it ("" for nothing)."""

    topic: str
    level: Level
    text: str
    advice: str = ""


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="One JSON object for all findings.")
def doctor(as_json: bool) -> int:
    """Find out what works on this machine. Exits with 1 when the agent cannot run here."""
    findings: list[Finding] = []
    for finding in examine():
        findings.append(finding)
        if not as_json:
            _print(finding)
    problems = sum(f.level == "problem" for f in findings)
    if as_json:
        result = {"ok": not problems, "findings": [asdict(f) for f in findings]}
        click.echo(json.dumps(result, indent=1))
    else:
        click.echo()
        click.echo(_verdict(problems, sum(f.level == "warn" for f in findings)))
    return 1 if problems else 0


def _verdict(problems: int, warnings: int) -> str:
    if problems:
        return f"{problems} problem{'s' if problems > 1 else ''}: the agent cannot run here yet"
    more = f" ({warnings} warning{'s' if warnings > 1 else ''})" if warnings else ""
    return f"the agent can run here{more}"


def _print(finding: Finding) -> None:
    from agent.ui.escape import safe_line
    from agent.ui.terminal import Output

    out = Output(sys.stdout, os.environ)
    colour = {"ok": "green", "warn": "yellow", "problem": "red"}[finding.level]
    mark = out.paint(f"{finding.level:<7}", colour)
    click.echo(f"{mark}  {finding.topic:<11}  {safe_line(finding.text)}", color=out.can.colour)
    if finding.advice:
        click.echo(f"{'':<22}{out.paint('-> ' + safe_line(finding.advice), colour)}",
                   color=out.can.colour)  # fmt: skip


def examine() -> Iterator[Finding]:
    """All checks, in the order in which a missing thing stops the next one."""
    from agent.config import Folders
    from agent.errors import ConfigError
    from agent.models.catalogue import load_catalogue

    yield check_python(sys.version_info[:3])
    llama = probe_llama()
    yield from check_llama(llama, has_nvidia=shutil.which("nvidia-smi") is not None)
    yield check_cores()
    try:
        folders = Folders.from_env()
    except ConfigError as error:
        yield Finding("folders", "problem", str(error), "export HOME=/home/you")
    else:
        catalogue = load_catalogue()
        entry = catalogue.get(catalogue.default)
        yield check_model(entry, folders.models)
        gpus = [int(free) for _, free, _ in llama.get("gpus", [])]
        yield check_memory(entry, folders.models, gpus=gpus)
        yield from check_folders(folders, has_model=entry.path_in(folders.models).is_file())
        yield check_disk(entry, folders.models)
    yield check_sandbox()
    yield from check_programs()
    yield check_environment(os.environ)


def check_python(version: tuple[int, ...]) -> Finding:
    """Python itself; only an old one that was forced upon the package gets here."""
    text = f"{'.'.join(map(str, version))} at {sys.executable}"
    if version < OLDEST_PYTHON:
        return Finding("python", "problem", text, "ingle needs Python 3.11 or newer")
    return Finding("python", "ok", text)


def probe_llama(code: str = _CHILD) -> dict[str, Any]:
    """What llama.cpp says of itself in a child process; {"error": ...} when it does not."""
    import signal
    import subprocess

    try:
        done = subprocess.run(
            # -I: the folder we stand in may have packages of the same names.
            [sys.executable, "-I", "-c", code],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=CHILD_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return {"error": f"it did not answer: {error}"}
    if done.returncode < 0:
        number = -done.returncode
        known = number in set(signal.Signals)
        return {"error": f"it died of {signal.Signals(number).name if known else number}"}
    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    try:
        found: dict[str, Any] = json.loads(lines[-1])
    except (ValueError, IndexError):
        return {"error": lines[-1] if lines else "it said nothing"}
    return found


def reinstall(flags: str) -> str:
    """The command that builds llama.cpp on this machine with `flags` for cmake."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        wanted = f"llama-cpp-python=={version('llama-cpp-python')}"
    except PackageNotFoundError:
        wanted = "llama-cpp-python"
    setting = f'CMAKE_ARGS="{flags}" ' if flags else ""
    return (
        f"{setting}{sys.executable} -m pip install --force-reinstall --no-cache-dir --no-deps "
        f"--no-binary llama-cpp-python {wanted}"
    )


def check_llama(llama: dict[str, Any], *, has_nvidia: bool) -> Iterator[Finding]:
    """The library, and what it computes on."""
    topic = "llama.cpp"
    if error := llama.get("error"):
        advice = f"build it for this CPU: {reinstall('')}"
        yield Finding(topic, "problem", f"it does not work here: {error}", advice)
        return
    yield Finding(topic, "ok", f"llama-cpp-python {llama['version']}: {_flags(llama['info'])}")
    if llama["gpus"]:
        names = [f"{name}, {_gb(free)} of {_gb(total)} free" for name, free, total in llama["gpus"]]
        yield Finding("gpu", "ok", "; ".join(names))
    elif llama["gpu"]:
        text = "this llama.cpp is built for a GPU and sees none: the model runs on the CPU"
        yield Finding("gpu", "warn", text, "check that the driver is installed and loaded")
    elif has_nvidia:
        text = "there is an NVIDIA GPU, and this llama.cpp was built without CUDA"
        yield Finding("gpu", "warn", text, reinstall("-DGGML_CUDA=on"))
    else:
        yield Finding("gpu", "ok", "none: the model runs on the CPU")
    if llama["amx"]:
        yield Finding("amx", "ok", "AMX tiles crash on some machines: repacked weights are off")


def _flags(info: str) -> str:
    """The instruction sets of `CPU : AVX = 1 | AVX2 = 1 | ...`."""
    pieces = [piece.rpartition(":")[2].split("=") for piece in info.split("|")]
    return " ".join(p[0].strip() for p in pieces if len(p) == 2 and p[1].strip() == "1")


def check_cores() -> Finding:
    """The cores that may be used, which is not what the machine has inside a container."""
    from agent.models.machine import physical_cores

    cores = physical_cores()
    return Finding("cpu", "ok", f"{cores} core{'s' if cores > 1 else ''} for the model")


def check_model(entry: CatalogueEntry, models_dir: Path) -> Finding:
    """The default model's file; cheap, so it is not hashed here."""
    from agent.config import is_offline
    from agent.errors import BrokenModelFile
    from agent.models.gguf import read_header
    from agent.models.runnable import check_runnable
    from agent.models.verify import read_record

    path = entry.path_in(models_dir)
    pull = f"agent models pull {entry.name}"
    if not path.is_file():
        if is_offline():
            text = f"{entry.name} is not here, and INGLE_OFFLINE forbids to fetch it"
            return Finding("model", "problem", text, f"put the file at {path}")
        text = f"{entry.name} is not here; the first task fetches {_gb(entry.size)}"
        return Finding("model", "warn", text, f"or fetch it now: {pull}")
    stat = path.stat()
    if entry.sha256 and stat.st_size != entry.size:
        text = f"{path} has {stat.st_size:,} bytes, not {entry.size:,}"
        return Finding("model", "problem", text, f"delete it and run: {pull}")
    try:
        check_runnable(read_header(path), name=entry.name)
    except BrokenModelFile as error:
        return Finding("model", "problem", str(error), f"delete it and run: {pull}")
    record = read_record(path)
    if record and (record.size, record.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return Finding("model", "ok", f"{entry.name}, verified: {path}")
    return Finding("model", "ok", f"{entry.name}, to be verified at the first use: {path}")


def check_memory(entry: CatalogueEntry, models_dir: Path, *, gpus: Sequence[int]) -> Finding:
    """Memory for the default model, and how it would be loaded; `gpus` are free bytes."""
    from agent.errors import IngleError
    from agent.models.gguf import read_header
    from agent.models.machine import available_memory
    from agent.models.plan import Memory, make_plan, weights_fit

    free = available_memory()
    path = entry.path_in(models_dir)
    advice = "close programs, or take a smaller model (`agent models list`)"
    if not free:
        return Finding("memory", "warn", "this machine does not say how much is free")
    try:
        if path.is_file():
            plan = make_plan(read_header(path), Memory(free, tuple(gpus)), name=entry.name)
            return Finding("memory", "ok", plan.reason)
    except IngleError as error:
        return Finding("memory", "problem", str(error), advice)
    text = f"{_gb(free)} is free, {entry.name} has {_gb(entry.size)}"
    if gpus or weights_fit(entry.size, free):
        return Finding("memory", "ok", text)
    return Finding("memory", "problem", text, advice)


def check_folders(folders: Folders, *, has_model: bool) -> Iterator[Finding]:
    """Whether sessions, models and settings can be kept."""
    uses = {
        "state": "sessions are not kept",
        "models": "no model can be fetched",
        "config": "no settings can be saved",
    }
    bad = [name for name in uses if not _is_writable(getattr(folders, name))]
    for name in bad:
        text = f"{getattr(folders, name)} cannot be written: {uses[name]}"
        level: Level = "problem" if name == "models" and not has_model else "warn"
        variable = "INGLE_MODELS" if name == "models" else f"XDG_{name.upper()}_HOME"
        yield Finding("folders", level, text, f"check who owns it, or set {variable}")
    if not bad:
        yield Finding("folders", "ok", f"sessions in {folders.state}, models in {folders.models}")


def _nearest_folder(path: Path) -> Path:
    """The folder itself, or the first one above it that exists."""
    while not path.exists() and path.parent != path:
        path = path.parent
    return path


def _is_writable(folder: Path) -> bool:
    """Found out by writing: root may write everywhere, except where the file system says no."""
    import tempfile

    near = _nearest_folder(folder)
    try:
        with tempfile.TemporaryFile(dir=near):
            return True
    except OSError:
        return False


def check_disk(entry: CatalogueEntry, models_dir: Path) -> Finding:
    """Space for the default model, when it has still to be fetched."""
    folder = _nearest_folder(models_dir)
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("disk", "warn", f"{folder} does not say what is free: {error.strerror}")
    needed = LEAST_FREE + (0 if entry.path_in(models_dir).is_file() else entry.size)
    text = f"{_gb(free)} free in {folder}"
    if free < needed:
        advice = f"{_gb(needed)} would do: free some, or set INGLE_MODELS to a larger disk"
        return Finding("disk", "warn", text, advice)
    return Finding("disk", "ok", text)


def check_sandbox() -> Finding:
    """The tier that confines commands; its canary tried to get out."""
    from tools.sandbox.probe import try_bubblewrap, try_landlock, try_seatbelt

    found, probe = try_seatbelt() if sys.platform == "darwin" else try_bubblewrap()
    if found is not None:
        names = ", ".join(name for name, _ in probe.attacks)
        text = f"{probe.name}: the canary did not get out by {names}"
        return Finding("sandbox", "ok", text)
    reduced, _ = try_landlock()
    text = "none: commands of the model are refused, or asked about in a terminal"
    if reduced is not None:
        text = f"{reduced.name} (version {reduced.abi}) for commands that only read; others: {text}"
    return Finding("sandbox", "warn", text, probe.reason)


def check_programs() -> Iterator[Finding]:
    """Programs that are used when they are there."""
    from tools.ripgrep import find_rg

    rg = find_rg()
    if rg:
        yield Finding("ripgrep", "ok", str(rg))
    else:
        yield Finding("ripgrep", "warn", "not found: searching is off", "pip install ripgrep")
    git = shutil.which("git")
    yield (
        Finding("git", "ok", git)
        if git
        else Finding("git", "warn", "not found: the agent cannot show what changed", "install git")
    )
    compiler = next(filter(None, map(shutil.which, ("c++", "g++", "clang++"))), None)
    if compiler:
        # pip brings cmake along when there is none.
        cmake = shutil.which("cmake") or "cmake from pip"
        yield Finding("compiler", "ok", f"{compiler}, {cmake}: llama.cpp can be built here")
    else:
        yield Finding("compiler", "ok", "none: only needed to build llama.cpp for a GPU")


def check_environment(environment: Mapping[str, str]) -> Finding:
    """The variables that change what the agent does; secrets stay secret."""
    ours = [
        f"{name}={'...' if _SECRET.search(name) else value}"
        for name, value in sorted(environment.items())
        if name.startswith("INGLE_")
    ]
    return Finding("variables", "ok", ", ".join(ours) or "no INGLE_* is set")


def _gb(size: int) -> str:
    return f"{size / 1e9:.2f} GB"
