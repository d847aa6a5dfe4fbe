"""System calls that a reading process has no use for, refused by the kernel: no sockets, no programs, no other processes.

A filter in classic BPF (``linux/seccomp.h``, ``linux/filter.h``). What is refused fails with EPERM, so that a library that
tries to reach the network says so rather than dies.
"""

import ctypes
import errno
import platform
import struct

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_LOAD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4
_X32_CALLS = 0x40000000
_EVERYWHERE = {"pidfd_send_signal": 424, "io_uring_setup": 425, "pidfd_getfd": 438}
_MACHINES: dict[str, tuple[int, dict[str, int]]] = {
    # AUDIT_ARCH_... and numbers of system calls
    "x86_64": (0xC000003E, {
        "socket": 41, "execve": 59, "kill": 62, "ptrace": 101, "mount": 165, "add_key": 248, "request_key": 249, "keyctl": 250,
        "unshare": 272, "perf_event_open": 298, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321,
        "execveat": 322, "userfaultfd": 323,
    }),
    "aarch64": (0xC00000B7, {
        "mount": 40, "unshare": 97, "ptrace": 117, "kill": 129, "socket": 198, "add_key": 217, "request_key": 218, "keyctl": 219,
        "execve": 221, "perf_event_open": 241, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280,
        "execveat": 281, "userfaultfd": 282,
    }),
}  # fmt: skip


def available() -> bool:
    """Whether the filter is known for this machine."""
    return platform.machine() in _MACHINES


def refuse_system_calls() -> bool:
    """Put the filter in force for this process, for good; it must have given up new privileges. Whether it is in force."""
    known = _MACHINES.get(platform.machine())
    if known is None:
        return False
    architecture, calls = known
    numbers = sorted({**calls, **_EVERYWHERE}.values())
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _REFUSE),  # the calls of another architecture have other numbers
        (_LOAD, 0, 0, _NUMBER_AT),
        (_JUMP_GREATER_EQUAL, len(numbers) + 1, 0, _X32_CALLS),
        *((_JUMP_EQUAL, len(numbers) - index, 0, number) for index, number in enumerate(numbers)),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *instruction) for instruction in program))
    header = ctypes.create_string_buffer(struct.pack("@HP", len(program), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    return bool(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, header, 0, 0) == 0)
