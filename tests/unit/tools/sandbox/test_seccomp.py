"""The filter, run by a small interpreter of BPF: what it answers on both machines."""

from __future__ import annotations

import errno
import struct

import pytest

from tools.sandbox.seccomp import METADATA, REFUSED, confined_program, reading_program
from tools.sandbox.syscalls import MACHINES, Machine

ALLOW, KILL = 0x7FFF0000, 0x80000000


def answer(program: bytes, number: int, audit: int, *arguments: int) -> int:
    """What the filter returns for one call (linux/seccomp.h, struct seccomp_data)."""
    padded = (*arguments, *([0] * (6 - len(arguments))))
    data = struct.pack("<iIQ6Q", number, audit, 0, *padded)
    code = list(struct.iter_unpack("<HBBI", program))
    place = value = 0
    while True:
        operation, yes, no, k = code[place]
        place += 1
        if operation == 0x06:
            return k
        if operation == 0x20:
            value = struct.unpack_from("<I", data, k)[0]
        elif operation == 0x54:
            value &= k
        else:
            tests = {0x15: value == k, 0x35: value >= k, 0x45: bool(value & k)}
            place += yes if tests[operation] else no


def refusal(code: int) -> int | None:
    """The error number that a call gets; None when it is allowed."""
    return None if code == ALLOW else code & 0xFFFF


@pytest.fixture(params=sorted(MACHINES))
def machine(request: pytest.FixtureRequest) -> Machine:
    return MACHINES[request.param]


def ask(program: bytes, machine: Machine, name: str, *arguments: int) -> int | None:
    return refusal(answer(program, machine.calls[name], machine.audit, *arguments))


def test_what_reaches_around_the_namespaces_is_refused(machine: Machine) -> None:
    program = confined_program(machine)
    for name in REFUSED:
        if name in machine.calls:
            assert ask(program, machine, name) == errno.EPERM, name
    for name in ("io_uring_setup", "io_uring_enter", "clone3"):
        assert ask(program, machine, name) == errno.ENOSYS
    for number in (0, 1, 59, 63, 221, 500):
        if number not in machine.calls.values():
            assert refusal(answer(program, number, machine.audit)) is None


def test_only_sockets_that_the_namespace_holds_are_opened(machine: Machine) -> None:
    program = confined_program(machine)
    allowed = {f for f in range(50) if ask(program, machine, "socket", f, 1) is None}
    assert allowed == {2, 10, 16}
    # The upper half of an argument is not the family: the kernel takes an int.
    assert ask(program, machine, "socket", (1 << 32) | 1) == errno.EPERM
    open_program = confined_program(machine, local_sockets=True)
    assert ask(open_program, machine, "socket", 1) is None
    assert ask(open_program, machine, "socketpair", 1, 2) is None


@pytest.mark.parametrize("flags", [0, 0o2000000, 0o4000])
def test_pairs_are_streams_only(machine: Machine, flags: int) -> None:
    program = confined_program(machine)
    assert ask(program, machine, "socketpair", 1, 1 | flags) is None
    assert ask(program, machine, "socketpair", 1, 5 | flags) is None
    assert ask(program, machine, "socketpair", 1, 2 | flags) == errno.EPERM


def test_the_terminal_takes_no_typing_and_other_requests_pass(machine: Machine) -> None:
    program = confined_program(machine)
    assert ask(program, machine, "ioctl", 0, 0x5412) == errno.EPERM
    assert ask(program, machine, "ioctl", 0, 0x541C) == errno.EPERM
    assert ask(program, machine, "ioctl", 0, (7 << 32) | 0x5412) == errno.EPERM
    assert ask(program, machine, "ioctl", 0, 0x5401) is None


def test_processes_are_made_and_user_namespaces_are_not(machine: Machine) -> None:
    program = confined_program(machine)
    for name in ("clone", "unshare"):
        assert ask(program, machine, name, 0x10000000) == errno.EPERM
        assert ask(program, machine, name, 0x003D0F00) is None


def test_another_architecture_dies(machine: Machine) -> None:
    program = confined_program(machine)
    assert answer(program, 0, 0x40000003) == KILL
    assert refusal(answer(program, 0x40000000 + 41, machine.audit)) == errno.ENOSYS


def test_where_landlock_stands_alone_there_is_no_socket_and_no_change_of_modes(
    machine: Machine,
) -> None:
    program = reading_program(machine)
    assert all(ask(program, machine, "socket", family) == errno.EPERM for family in range(50))
    for name in METADATA:
        if name in machine.calls:
            assert ask(program, machine, name) == errno.EPERM
            assert ask(confined_program(machine), machine, name) is None
