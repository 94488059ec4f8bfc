"""The filter of system calls: a BPF program, assembled here, for the kernel's seccomp.

A list of what is refused, not of what is allowed: toolchains use nearly everything else, and the
namespaces around are the boundary. Refused is what reaches around them: sockets of other
families than IP (Unix sockets reach services of the host, vsock its hypervisor), io_uring (which
opens sockets past this filter), looking into other processes, keys, mounts, new user namespaces,
and typing into the terminal. Format: linux/filter.h, linux/seccomp.h.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Iterable

from tools.sandbox.syscalls import Machine

REFUSED = (
    "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd", "kcmp", "perf_event_open",
    "keyctl", "add_key", "request_key", "bpf", "userfaultfd",
    "mount", "umount2", "pivot_root", "chroot", "open_tree", "open_tree_attr", "move_mount",
    "fsopen", "fsconfig", "fsmount", "fspick", "mount_setattr", "setns",
    "name_to_handle_at", "open_by_handle_at", "quotactl", "quotactl_fd", "acct", "swapon",
    "swapoff", "reboot", "kexec_load", "kexec_file_load", "init_module", "finit_module",
    "delete_module", "iopl", "ioperm", "syslog", "vhangup",
)  # fmt: skip
# Programs try these first and do without them when they do not exist. The flags of clone3 lie in
# memory, where no filter can look; those of clone can be seen. So it is with modes and openat2.
ABSENT = ("io_uring_setup", "io_uring_enter", "io_uring_register", "clone3", "openat2")
# What Landlock does not hold: changes that are no writes.
METADATA = (
    "chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat",
    "utime", "utimes", "futimesat", "utimensat", "setxattr", "lsetxattr", "fsetxattr",
    "setxattrat", "removexattr", "lremovexattr", "fremovexattr", "removexattrat", "file_setattr",
)  # fmt: skip
# A program of the user's that everybody else may run with the user's rights: calls that give a
# file its mode, with the argument that has it; the last of them look at it only with these flags.
MODES = {"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2, "creat": 1, "mknod": 1,
         "mknodat": 2}  # fmt: skip
OPENS = {"open": 1, "openat": 2}
S_ISUID = 0o4000
O_CREATES = 0o100 | 0o20000000  # O_CREAT, O_TMPFILE
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
SOCK_DGRAM, SOCK_TYPE_MASK = 2, 0xF
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
CLONE_NEWUSER = 0x1000_0000
X32_BIT = 0x4000_0000

_LOAD, _AND, _RETURN = 0x20, 0x54, 0x06
_IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT = 0x15, 0x35, 0x45
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _ARCHITECTURE = 0, 4

Instruction = tuple[int, int, int, int]


def confined_program(machine: Machine, *, local_sockets: bool = False) -> bytes:
    """The filter inside namespaces: IP stays, since the network namespace decides about it."""
    families = [AF_INET, AF_INET6, AF_NETLINK]
    if local_sockets:
        families.append(AF_UNIX)
    return _program(machine, REFUSED, families, any_pair=local_sockets)


def reading_program(machine: Machine) -> bytes:
    """The filter where Landlock alone stands: no sockets, no change of modes, owners, times."""
    return _program(machine, (*REFUSED, *METADATA), (), any_pair=False)


def _program(
    machine: Machine, refused: Iterable[str], families: Iterable[int], *, any_pair: bool
) -> bytes:
    """Array of struct sock_filter, each 8 bytes (code u16, jump true u8, jump false u8, k u32)."""
    calls = machine.calls
    no, absent = _ERRNO | errno.EPERM, _ERRNO | errno.ENOSYS
    code: list[Instruction] = [(_LOAD, 0, 0, _ARCHITECTURE)]
    # Another architecture, such as i386 on x86_64, has other numbers.
    code += [(_IF_EQUAL, 1, 0, machine.audit), (_RETURN, 0, 0, _KILL), (_LOAD, 0, 0, _NUMBER)]
    code += [(_IF_AT_LEAST, 0, 1, X32_BIT), (_RETURN, 0, 0, absent)]
    for name in refused:
        if name in calls:
            code += [(_IF_EQUAL, 0, 1, calls[name]), (_RETURN, 0, 0, no)]
    for name in ABSENT:
        code += [(_IF_EQUAL, 0, 1, calls[name]), (_RETURN, 0, 0, absent)]
    code += _for_call(calls["socket"], _unless_one_of(0, families, no))
    if not any_pair:
        # A pair of datagram sockets can still be sent elsewhere, to a service's path.
        pair = [(_LOAD, 0, 0, _argument(1)), (_AND, 0, 0, SOCK_TYPE_MASK)]
        pair += [(_IF_EQUAL, 0, 1, SOCK_DGRAM), (_RETURN, 0, 0, no)]
        code += _for_call(calls["socketpair"], [*pair, *_unless_one_of(0, [AF_UNIX], no)])
    typing = [(_LOAD, 0, 0, _argument(1)), (_IF_EQUAL, 1, 0, TIOCSTI)]
    typing += [(_IF_EQUAL, 0, 1, TIOCLINUX), (_RETURN, 0, 0, no), (_RETURN, 0, 0, _ALLOW)]
    code += _for_call(calls["ioctl"], typing)
    setuid = [(_IF_ANY_BIT, 0, 1, S_ISUID), (_RETURN, 0, 0, no), (_RETURN, 0, 0, _ALLOW)]
    for name, place in MODES.items():
        if name in calls:
            code += _for_call(calls[name], [(_LOAD, 0, 0, _argument(place)), *setuid])
    for name, place in OPENS.items():
        if name in calls:
            made = [(_LOAD, 0, 0, _argument(place)), (_IF_ANY_BIT, 1, 0, O_CREATES)]
            made += [(_RETURN, 0, 0, _ALLOW), (_LOAD, 0, 0, _argument(place + 1)), *setuid]
            code += _for_call(calls[name], made)
    for name in ("clone", "unshare"):
        users = [(_LOAD, 0, 0, _argument(0)), (_IF_ANY_BIT, 0, 1, CLONE_NEWUSER)]
        users += [(_RETURN, 0, 0, no), (_RETURN, 0, 0, _ALLOW)]
        code += _for_call(calls[name], users)
    code.append((_RETURN, 0, 0, _ALLOW))
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)


def _argument(index: int) -> int:
    """Offset of the low half of an argument in struct seccomp_data (both are little-endian)."""
    return 16 + 8 * index


def _for_call(number: int, block: list[Instruction]) -> list[Instruction]:
    """The block for one call; it ends in a return, so the number need not be loaded again."""
    return [(_IF_EQUAL, 0, len(block), number), *block]


def _unless_one_of(index: int, values: Iterable[int], otherwise: int) -> list[Instruction]:
    """Allow the call when its argument is one of the values."""
    wanted = list(values)
    tests = [(_IF_EQUAL, len(wanted) - i, 0, value) for i, value in enumerate(wanted)]
    return [(_LOAD, 0, 0, _argument(index)), *tests, (_RETURN, 0, 0, otherwise),
            (_RETURN, 0, 0, _ALLOW)]  # fmt: skip
