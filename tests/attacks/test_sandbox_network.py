"""Ways out over sockets. Each attack aims at a service that the test runs on the host itself."""

# A test waits for what it starts; nothing else runs in its event loop.
# ruff: noqa: ASYNC240

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tools.base import ToolContext
from tools.shell import CommandOutcome

Attack = Callable[..., Awaitable[CommandOutcome]]
TCP = """
import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2])), 5)
print("reached")
"""
UDP = """
import socket, sys
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.sendto(b"the secret", ("127.0.0.1", int(sys.argv[1])))
"""
DNS = """
import socket, struct, sys
name = b"".join(bytes([len(part)]) + part for part in (b"the-secret", b"example", b"org", b""))
query = struct.pack(">HHHHHH", 7, 256, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)
link = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
link.sendto(query, ("127.0.0.1", int(sys.argv[1])))
"""
CONNECT_UNIX = """
import socket, sys
socket.socket(socket.AF_UNIX).connect(sys.argv[1].replace("@", chr(0)))
print("reached")
"""
DATAGRAM_OF_A_PAIR = """
import socket, sys
one, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
one.sendto(b"the secret", sys.argv[1])
"""
BY_IO_URING = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.syscall(425, 8, ctypes.create_string_buffer(120)), ctypes.get_errno())
"""
VSOCK = """
import socket
socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
print("opened")
"""


def was_reached(listener: socket.socket) -> bool:
    return bool(select.select([listener], [], [], 0)[0])


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3"])
async def test_tcp_reaches_nobody(
    attack: Attack, unconfined: ToolContext, confined: ToolContext, address: str
) -> None:
    """A TCP connection to a service of the host."""
    with socket.create_server(("0.0.0.0", 0)) as listener:
        port = listener.getsockname()[1]
        assert (await attack(unconfined, TCP, address, port)).text == "reached\n"
        listener.accept()[0].close()
        assert "reached" not in (await attack(confined, TCP, address, port)).text
        assert not was_reached(listener)


@pytest.mark.parametrize("code", [UDP, DNS], ids=["plain", "dns"])
async def test_no_datagram_leaves(
    attack: Attack, unconfined: ToolContext, confined: ToolContext, code: str
) -> None:
    """A secret sent in a UDP datagram, or as a name to be looked up."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        await attack(unconfined, code, port)
        assert b"secret" in listener.recv(512)
        await attack(confined, code, port)
        assert not was_reached(listener)


@pytest.mark.parametrize("name", ["docker.sock", "agent.123", "bus"])
@pytest.mark.parametrize("place", ["beside", "workspace"])
async def test_no_unix_socket_of_the_host_can_be_connected(
    attack: Attack,
    unconfined: ToolContext,
    confined: ToolContext,
    ground: Path,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    place: str,
) -> None:
    """A connection to docker's, ssh-agent's or DBus's socket at a path that can be seen."""
    path = os.path.relpath((ground if place == "beside" else root) / name, root)
    monkeypatch.setenv("SSH_AUTH_SOCK", path)
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        assert (await attack(unconfined, CONNECT_UNIX, path)).text == "reached\n"
        listener.accept()[0].close()
        assert "PermissionError" in (await attack(confined, CONNECT_UNIX, path)).text
        assert not was_reached(listener)


async def test_no_abstract_socket_can_be_connected(
    attack: Attack, unconfined: ToolContext, confined: ToolContext, tmp_path: Path
) -> None:
    """A connection to an abstract Unix socket, which no mount can hide."""
    name = f"ingle-{tmp_path.name}-{os.getpid()}"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"\0{name}")
        listener.listen()
        assert (await attack(unconfined, CONNECT_UNIX, f"@{name}")).text == "reached\n"
        listener.accept()[0].close()
        assert "PermissionError" in (await attack(confined, CONNECT_UNIX, f"@{name}")).text
        assert not was_reached(listener)


async def test_a_pair_of_sockets_is_no_way_to_a_service(
    attack: Attack,
    unconfined: ToolContext,
    confined: ToolContext,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A datagram sent to a path from one end of socketpair(), which opens no socket by itself."""
    monkeypatch.chdir(root)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("log")
        await attack(unconfined, DATAGRAM_OF_A_PAIR, "log")
        assert listener.recv(100) == b"the secret"
        outcome = await attack(confined, DATAGRAM_OF_A_PAIR, "log")
        assert "PermissionError" in outcome.text
        assert not was_reached(listener)


async def test_pairs_of_stream_sockets_stay_usable(attack: Attack, confined: ToolContext) -> None:
    """No attack: what toolchains need of Unix sockets."""
    code = "import socket; a, b = socket.socketpair(); a.send(b'x'); print(b.recv(1))"
    assert (await attack(confined, code)).text == "b'x'\n"


async def test_vsock_cannot_be_opened(
    attack: Attack, unconfined: ToolContext, confined: ToolContext
) -> None:
    """A socket to the hypervisor, which belongs to no network namespace."""
    free = (await attack(unconfined, VSOCK)).text
    # A kernel without vsock has no such way either; its answer is another one than the filter's.
    assert free == "opened\n" or os.strerror(errno.EAFNOSUPPORT) in free
    assert "PermissionError" in (await attack(confined, VSOCK)).text


async def test_io_uring_cannot_be_set_up(
    attack: Attack, unconfined: ToolContext, confined: ToolContext
) -> None:
    """io_uring opens sockets without the calls that the filter looks at."""
    free = (await attack(unconfined, BY_IO_URING)).text.split()
    switched_off = Path("/proc/sys/kernel/io_uring_disabled")
    if switched_off.exists() and switched_off.read_text() != "0\n":
        assert free == ["-1", str(errno.EPERM)]
    else:
        assert int(free[0]) > 0
    assert (await attack(confined, BY_IO_URING)).text.split() == ["-1", str(errno.ENOSYS)]
