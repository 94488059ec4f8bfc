"""The rg binary that our dependency installs: where it is, and running it within bounds."""

from __future__ import annotations

import asyncio
import sys
import sysconfig
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tools.text import is_argument

SEARCH_S = 20.0
LONGEST_LINE = 1024 * 1024
LONGEST_MESSAGE = 1_000
SYSTEM_PLACES = ("/usr/bin", "/usr/local/bin", "/opt/homebrew/bin")
# Hidden files are the project's (.github, .env.example); git's own folder is not. Ignore files
# count without a repository too; links are not followed (rg's default).
ALWAYS = (
    "--no-config",
    "--color=never",
    "--hidden",
    "--no-require-git",
    "--sort=path",
    "--no-messages",
)


class SearchFailed(Exception):
    """rg could not run or rejected what it was given; the text is for the model."""


@dataclass(frozen=True)
class Lines:
    """The first lines that rg printed, how many there were, and whether it was stopped early."""

    kept: tuple[str, ...]
    total: int
    timed_out: bool = False


def find_rg() -> Path | None:
    """rg beside the running interpreter, or the system's; PATH is never asked."""
    folders = [Path(sysconfig.get_path("scripts")), Path(sys.executable).parent]
    if "posix_user" in sysconfig.get_scheme_names():
        folders.append(Path(sysconfig.get_path("scripts", "posix_user")))
    folders += [Path(place) for place in SYSTEM_PLACES]
    for folder in folders:
        program = folder / "rg"
        if program.is_file():
            return program
    return None


def glob_options(glob: str) -> list[str]:
    """Options for the model's glob; git's folder stays out, as the last glob wins."""
    wanted = [f"--glob={glob}"] if glob else []
    return [*wanted, "--glob=!.git"]


async def run_rg(options: Sequence[str], folder: Path, keep: int) -> Lines:
    """Run rg in `folder`; keep the first `keep` lines and count the rest.

    Raises:
        SearchFailed: no rg, or rg rejected its arguments.
    """
    if not all(map(is_argument, options)):
        raise SearchFailed("a NUL or half of a surrogate pair cannot be searched for")
    program = find_rg()
    if program is None:
        raise SearchFailed("ripgrep is not installed (pip install ripgrep): use shell with find")
    process = await asyncio.create_subprocess_exec(
        str(program),
        *ALWAYS,
        *options,
        cwd=folder,
        # No RIPGREP_CONFIG_PATH or the like.
        env={"LANG": "C.UTF-8"},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=LONGEST_LINE,
    )
    assert process.stdout is not None and process.stderr is not None
    kept: list[str] = []
    total = 0
    timed_out = False
    errors = asyncio.create_task(process.stderr.read())
    try:
        async with asyncio.timeout(SEARCH_S):
            async for line in process.stdout:
                total += 1
                if total <= keep:
                    kept.append(line.decode("utf-8", "replace").rstrip("\r\n"))
            await process.wait()
    except TimeoutError:
        timed_out = True
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        message = (await errors).decode("utf-8", "replace").strip()
    if process.returncode == 2 and message:
        raise SearchFailed(message[:LONGEST_MESSAGE])
    return Lines(tuple(kept), total, timed_out)
