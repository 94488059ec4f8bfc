"""What a confined process does not get to see, and what of it is shown again, read-only."""

from __future__ import annotations

import os
import pwd
import re
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tools.protected import outer_repository
from tools.sandbox.profiles import Profile

# Other people's files, sockets of services (docker, DBus, agents), other disks, logs.
FOLDERS = ("/tmp", "/run", "/var/tmp", "/home", "/root")
# The same, where they can be read at all and are not empty.
FULL = (
    "/mnt", "/media", "/boot", "/var/log", "/var/spool", "/var/backups", "/var/mail",
    "/var/lib/docker", "/var/lib/containerd", "/var/lib/private", "/etc/ssl/private",
    "/etc/NetworkManager", "/etc/wireguard", "/etc/openvpn", "/etc/docker", "/etc/kubernetes",
    "/etc/rancher", "/etc/sudoers.d",
)  # fmt: skip
# Root's own files that root without capabilities could still read.
FILES = ("/etc/shadow", "/etc/gshadow", "/etc/shadow-", "/etc/gshadow-", "/etc/sudoers",
         "/etc/krb5.keytab", "/etc/security/opasswd")  # fmt: skip
HOST_KEYS = ("/etc/ssh", "ssh_host_*_key")
# Toolchains and caches in a home folder. Never a folder that holds credentials (~/.cargo, ~/.m2,
# ~/.npm, ~/.gradle, ~/.cache/huggingface), nor a cache that its owner must write (go-build).
TOOLCHAINS = (
    ".pyenv", ".rustup", ".cargo/bin", ".cargo/registry", ".cargo/git", ".local/bin",
    ".local/lib", ".local/pipx", ".local/share/pipx", ".local/share/uv",
    ".local/share/virtualenv", ".local/share/virtualenvs", ".virtualenvs", ".local/share/mise",
    ".local/share/fnm", ".local/share/pnpm", ".local/share/gem", ".nvm", ".fnm", ".volta",
    ".asdf", ".sdkman", ".jdks", ".bun/bin", ".deno/bin", ".rbenv", ".rvm", ".gem", ".ghcup/bin",
    ".opam", ".elan", ".juliaup", ".m2/repository", ".gradle/wrapper/dists", ".nuget/packages",
    ".dotnet", ".npm/_cacache", ".npm-global", ".yarn/berry/cache", "go/bin", "go/pkg",
    ".cache/pip", ".cache/uv", ".cache/yarn", ".cache/pypoetry/virtualenvs", ".cache/pre-commit",
    ".cache/ms-playwright", ".cache/Cypress", "miniconda3", "miniforge3", "mambaforge",
    "anaconda3", "micromamba", ".conda/envs",
)  # fmt: skip
# Where variables move a toolchain to.
MOVED = ("PYENV_ROOT", "RUSTUP_HOME", "NVM_DIR", "VOLTA_HOME", "SDKMAN_DIR", "JAVA_HOME", "GOROOT",
         "GOMODCACHE", "VIRTUAL_ENV", "CONDA_PREFIX", "PNPM_HOME", "RBENV_ROOT")  # fmt: skip
# What makes a folder above a bin folder one installation.
INSTALLATION_MARKS = ("pyvenv.cfg", "conda-meta")
# A Windows disk under WSL: its programs would run outside.
_WINDOWS = re.compile(r"/mnt/[a-z](/|$)")
# Behind links in /etc on systems with systemd; needed to look names up.
RESOLVERS = ("/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager")


def hidden_folders(profile: Profile) -> list[Path]:
    """Folders to cover, outer ones first. A home that is / or the like cannot be covered."""
    homes = [Path.home()]
    with suppress(KeyError):  # a user whom no file lists
        homes.append(Path(pwd.getpwuid(os.geteuid()).pw_dir))
    wanted = [*map(Path, FOLDERS), *homes, *own_folders(), *profile.hidden]
    wanted += [path for path in map(Path, FULL) if _has_entries(path)]
    found = {path.resolve() for path in wanted if path.is_dir()}
    return sorted(path for path in found if len(path.parts) > 1)


def _has_entries(path: Path) -> bool:
    """Whether there is something to cover; each cover takes its time at every start."""
    try:
        with os.scandir(path) as entries:
            return any(entries)
    except OSError:
        return False


def own_folders() -> tuple[Path, ...]:
    """The agent's settings, sessions and models, where variables move them out of the home."""
    bases = ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
    found = [Path(os.environ[name]) / "ingle" for name in bases if os.environ.get(name)]
    if models := os.environ.get("INGLE_MODELS"):
        found.append(Path(models).expanduser())
    return tuple(found)


def hidden_files() -> list[Path]:
    """Single files to cover, as far as they could be read."""
    folder, pattern = HOST_KEYS
    found = [*map(Path, FILES), *sorted(Path(folder).glob(pattern))]
    return [path for path in found if os.access(path, os.R_OK)]


def visible_again(
    profile: Profile, hidden: list[Path], search_path: list[str], root: Path
) -> list[Path]:
    """Read-only parts of the hidden folders that commands need: toolchains, PATH, Python, git."""
    home = Path.home()
    wanted = [home / name for name in TOOLCHAINS]
    wanted += [Path(os.environ[name]) for name in MOVED if os.environ.get(name)]
    wanted += [_installation(Path(entry)) for entry in search_path if entry]
    wanted += [Path(sys.base_prefix), Path("/home/linuxbrew/.linuxbrew")]
    repository = outer_repository(root)
    if repository is not None:
        wanted.append(repository)
    if profile.network:
        wanted += [Path(name) for name in RESOLVERS]
    return _shown(wanted, hidden)


def _installation(folder: Path) -> Path:
    """The venv or the like whose bin folder this is; else the folder itself."""
    parent = folder.parent
    return parent if any((parent / mark).exists() for mark in INSTALLATION_MARKS) else folder


def _shown(wanted: Iterable[Path], hidden: list[Path]) -> list[Path]:
    """Those that exist and lie strictly inside a hidden folder, without what others contain.

    Showing a whole hidden folder would undo it; so would showing one of the agent's own.
    """
    own = {os.path.realpath(folder) for folder in own_folders()}
    covers = [str(folder) for folder in hidden]
    shown: list[Path] = []
    real: list[str] = []
    for path in sorted(set(wanted)):
        if _WINDOWS.match(str(path)) or not path.is_dir():
            continue
        place = os.path.realpath(path)
        if any(_is_in(cover, place) for cover in covers) or any(_is_in(place, x) for x in own):
            continue
        if not any(_is_in(place, cover) for cover in covers):
            continue
        # Only what has its own name there: a link to elsewhere must keep working.
        if place == str(path):
            if any(_is_in(place, other) for other in real):
                continue
            real.append(place)
        shown.append(path)
    return shown


def _is_in(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")
