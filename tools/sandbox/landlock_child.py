"""Runs as a program: confines itself by Landlock and seccomp, then becomes the command.

    python -I -S landlock_child.py '{"abi": .., "readable": [..], "filter": HEX}' PROGRAM ...

It stands alone, since it runs without the agent's packages. Without what it was asked for it ends
with 126 and starts nothing. Structures and numbers: linux/landlock.h, linux/prctl.h,
linux/capability.h.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import sys

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
PATH_BENEATH = 1
NO_NEW_PRIVS, SET_SECCOMP, FILTER_MODE = 38, 22, 2
CAPABILITIES_3 = 0x20080522
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
IOCTL_DEV = 1 << 15
# Rights of the first version, and those that each later one added.
RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
NETWORK_RIGHTS = 3
SCOPES = 3
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


class Filter(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_void_p))


def main() -> int:
    wanted = json.loads(sys.argv[1])
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        restrict(libc, int(wanted["abi"]), list(wanted["readable"]))
        drop_capabilities(libc)
        install(libc, bytes.fromhex(wanted["filter"]))
        os.execv(sys.argv[2], sys.argv[2:])
    except OSError as error:
        print(f"the sandbox could not be set up: {error}", file=sys.stderr)
    return 126


def restrict(libc: ctypes.CDLL, abi: int, readable: list[str]) -> None:
    """Let this process read and run below `readable`, and write nowhere but to devices."""
    rights = (1 << RIGHTS[min(abi, 5)]) - 1
    attributes = struct.pack("QQQ", rights, NETWORK_RIGHTS, SCOPES)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    ruleset = call(libc, CREATE_RULESET, attributes[:size], ctypes.c_size_t(size), 0)
    reading = EXECUTE | READ_FILE | READ_DIR
    allow(libc, ruleset, [(path, reading) for path in readable])
    allow(libc, ruleset, [(path, READ_FILE | WRITE_FILE) for path in DEVICES])
    prctl(libc, NO_NEW_PRIVS, 1, 0)
    call(libc, RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def allow(libc: ctypes.CDLL, ruleset: int, paths: list[tuple[str, int]]) -> None:
    for path, rights in paths:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        if not os.path.isdir(path):  # noqa: PTH112
            rights &= EXECUTE | READ_FILE | WRITE_FILE
        rule = struct.pack("=Qi", rights, descriptor)
        call(libc, ADD_RULE, ruleset, PATH_BENEATH, rule, 0)
        os.close(descriptor)


def drop_capabilities(libc: ctypes.CDLL) -> None:
    """Root's rights: with CAP_PERFMON, other processes' memory is read past Landlock.

    The command does not get them back, since it may not gain privileges any more.
    """
    header = struct.pack("Ii", CAPABILITIES_3, 0)
    if libc.capset(header, bytes(24)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def install(libc: ctypes.CDLL, program: bytes) -> None:
    """The filter of system calls; it holds for this process and all that it becomes or starts."""
    text = ctypes.create_string_buffer(program, len(program))
    whole = Filter(len(program) // 8, ctypes.cast(text, ctypes.c_void_p))
    prctl(libc, SET_SECCOMP, FILTER_MODE, ctypes.addressof(whole))


def prctl(libc: ctypes.CDLL, option: int, first: int, second: int) -> None:
    arguments = [ctypes.c_ulong(value) for value in (first, second, 0, 0)]
    if libc.prctl(option, *arguments) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def call(libc: ctypes.CDLL, number: int, *arguments: object) -> int:
    result = int(libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


if __name__ == "__main__":
    sys.exit(main())
