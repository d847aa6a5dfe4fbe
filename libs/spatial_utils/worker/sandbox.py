"""What keeps a reading process in its place: resource limits, Landlock, a filter of system calls, no network. Linux only.

Each measure degrades by itself: a kernel without Landlock still has the limits. What is in force is reported, so that
``doctor`` can say it.
"""

import ctypes
import os
import resource
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from libs.spatial_utils.worker import seccomp

_LIBC = ctypes.CDLL(None, use_errno=True)

# linux/landlock.h; the numbers are the same on every architecture that came after 2011, x86 included
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG, _RULE_PATH_BENEATH = 1, 1
_WRITE_FILE, _READ_FILE, _READ_DIR, _REMOVE_FILE, _MAKE_REG, _TRUNCATE = (1 << bit for bit in (1, 2, 3, 5, 8, 14))
_ALL_FS_BY_ABI = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET_ABI, _SCOPE_ABI, _TRUNCATE_ABI = 4, 6, 3
_TCP_BIND_AND_CONNECT, _SCOPE_SOCKETS_AND_SIGNALS = 3, 3

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_SIGKILL = 9
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_MAX_OPEN_FILES = 512


@dataclass(frozen=True)
class Limits:
    """Resources of one reading process.

    Attributes:
        memory_mb: Address space that it may take beyond what it starts with, in MiB.
        cpu_seconds: Processor time.
        written_bytes: Size that a file may be written to; 0: nothing can be written.
    """

    memory_mb: int
    cpu_seconds: int
    written_bytes: int = 0


def landlock_abi() -> int:
    """Version of Landlock in this kernel; 0 when it has none or it is switched off."""
    version = _LIBC.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION_FLAG))
    return max(int(version), 0)


def leave_network() -> bool:
    """Move this process into a network namespace without a route. False where the system does not let us.

    Whoever is not root needs a process of one thread. Inherited by every process that it forks afterwards.
    """
    return any(_LIBC.unshare(flags) == 0 for flags in (_CLONE_NEWNET, _CLONE_NEWUSER | _CLONE_NEWNET))


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that forked it ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0)


def enter(limits: Limits, *, readable: Iterable[Path], writable: Iterable[Path] = ()) -> None:
    """Confine this process for good.

    Args:
        limits: Resources.
        readable: Files and folders that it may read; everything else in the file system is out of reach.
        writable: Folders in which it may also create, change and remove files.
    """
    address_space = int(Path("/proc/self/statm").read_bytes().split()[0]) * resource.getpagesize()
    _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    abi = landlock_abi()
    if abi:
        _restrict_file_system(abi, readable, writable)
    seccomp.refuse_system_calls()
    _lower(resource.RLIMIT_AS, address_space + limits.memory_mb * 1024 * 1024)
    _lower(resource.RLIMIT_CPU, limits.cpu_seconds)
    _lower(resource.RLIMIT_FSIZE, limits.written_bytes)
    _lower(resource.RLIMIT_NOFILE, _MAX_OPEN_FILES)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, value))


def _restrict_file_system(abi: int, readable: Iterable[Path], writable: Iterable[Path]) -> None:
    """Deny every access to files but the given ones, TCP where the kernel can, and signals to other processes."""
    handled = _ALL_FS_BY_ABI[min(abi, max(_ALL_FS_BY_ABI))]
    attributes = struct.pack("=Q", handled)
    if abi >= _NET_ABI:
        attributes += struct.pack("=Q", _TCP_BIND_AND_CONNECT)
    if abi >= _SCOPE_ABI:
        attributes += struct.pack("=Q", _SCOPE_SOCKETS_AND_SIGNALS)
    ruleset = _check(_LIBC.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0)))
    try:
        for path in readable:
            _allow(ruleset, path, _READ_FILE | _READ_DIR)
        changes = _READ_FILE | _READ_DIR | _WRITE_FILE | _MAKE_REG | _REMOVE_FILE | (_TRUNCATE if abi >= _TRUNCATE_ABI else 0)
        for path in writable:
            _allow(ruleset, path, changes)
        _check(_LIBC.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0)))
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: Path, access: int) -> None:
    try:
        folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not path.is_dir():
            access &= _READ_FILE | _WRITE_FILE | _TRUNCATE
        rule = struct.pack("=Qi", access, folder)
        _check(_LIBC.syscall(_ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_RULE_PATH_BENEATH), rule, ctypes.c_uint32(0)))
    finally:
        os.close(folder)


def _check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}")
    return result
