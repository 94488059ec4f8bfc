"""What to type so that a sandbox works here."""

from __future__ import annotations

from pathlib import Path

OFF = "run with --sandbox off"
OS_RELEASE = Path("/etc/os-release")
KERNEL = Path("/proc/sys")
PACKAGES = {
    "debian": "sudo apt install bubblewrap",
    "ubuntu": "sudo apt install bubblewrap",
    "fedora": "sudo dnf install bubblewrap",
    "rhel": "sudo dnf install bubblewrap",
    "arch": "sudo pacman -S bubblewrap",
    "suse": "sudo zypper install bubblewrap",
    "opensuse": "sudo zypper install bubblewrap",
    "alpine": "sudo apk add bubblewrap",
    "gentoo": "sudo emerge sys-apps/bubblewrap",
    "void": "sudo xbps-install bubblewrap",
    "nixos": "add pkgs.bubblewrap to environment.systemPackages",
}
# Settings that forbid namespaces to users, and the value that does.
SWITCHES = (
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"),
    ("kernel/unprivileged_userns_clone", "0", "1"),
    ("user/max_user_namespaces", "0", "10000"),
)


def install_line(text: str | None = None) -> str:
    """The command that installs bubblewrap; `text` is that of /etc/os-release."""
    if text is None:
        try:
            text = OS_RELEASE.read_text("utf-8", "replace")
        except OSError:
            text = ""
    fields = dict(line.partition("=")[::2] for line in text.splitlines())
    names = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', "").split()
    return next(
        (PACKAGES[name] for name in names if name in PACKAGES),
        "install the package bubblewrap",
    )


def namespace_line(kernel: Path = KERNEL) -> str:
    """The command that lets users make namespaces, when a setting forbids it."""
    for name, forbids, allows in SWITCHES:
        try:
            value = (kernel / name).read_text("ascii").strip()
        except OSError:
            continue
        if value == forbids:
            return f"sudo sysctl -w {name.replace('/', '.')}={allows}"
    return "allow user namespaces (in a container: --security-opt seccomp=unconfined)"
