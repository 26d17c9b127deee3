"""The system calls a candidate may not make, as a seccomp filter.

A candidate may start threads but no process: `RLIMIT_NPROC` does not bind root, this does. It may not trace, mount,
load, or open a socket either. Numbers from the kernel's tables for x86-64 and AArch64.
"""

import platform
import struct

from sc2lib.errors import UnsupportedError

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
ALLOW, KILL = 0x7FFF0000, 0x80000000
NOT_PERMITTED, NOT_IMPLEMENTED = 0x00050001, 0x00050026  # ERRNO with EPERM and ENOSYS
NUMBER, ARCHITECTURE, FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data, little-endian
CLONE_THREAD = 0x10000
X32 = 0x40000000

# fork, vfork, ptrace, mount, umount2, unshare, setns, pivot_root, chroot, bpf, perf_event_open, userfaultfd, keyctl,
# add_key, request_key, io_uring_{setup,enter,register}, process_vm_{readv,writev}, {init,finit,delete}_module,
# kexec_load, socket
FORBIDDEN = {
    "x86_64": (57, 58, 101, 165, 166, 272, 308, 155, 161, 321, 298, 323, 250, 248, 249, 425, 426, 427)
    + (310, 311, 175, 313, 176, 246, 41),
    "aarch64": (117, 40, 39, 97, 268, 41, 51, 280, 241, 282, 219, 217, 218, 425, 426, 427)
    + (270, 271, 105, 273, 106, 104, 198),
}
CLONE = {"x86_64": 56, "aarch64": 220}
CLONE3 = 435
AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}


def seccomp_filter(machine: str | None = None) -> bytes:
    """The filter as ``struct sock_filter`` entries for ``bwrap --seccomp``.

    clone3 answers ENOSYS, because its flags lie behind a pointer a filter cannot follow; the C library then uses
    clone, which is allowed with CLONE_THREAD only. Raises UnsupportedError for another processor.
    """
    machine = machine or platform.machine()
    if machine not in AUDIT:
        raise UnsupportedError(
            f"no system-call filter for the processor {machine!r} (have {', '.join(AUDIT)}); "
            "set sandbox=skip to write samples without running them"
        )
    program = [(LOAD, 0, 0, ARCHITECTURE), (JUMP_EQUAL, 1, 0, AUDIT[machine]), (RETURN, 0, 0, KILL)]
    program += [(LOAD, 0, 0, NUMBER)]
    if machine == "x86_64":
        program += [(JUMP_AT_LEAST, 0, 1, X32), (RETURN, 0, 0, NOT_PERMITTED)]
    for number in FORBIDDEN[machine]:
        program += [(JUMP_EQUAL, 0, 1, number), (RETURN, 0, 0, NOT_PERMITTED)]
    program += [(JUMP_EQUAL, 0, 1, CLONE3), (RETURN, 0, 0, NOT_IMPLEMENTED)]
    program += [(JUMP_EQUAL, 0, 3, CLONE[machine]), (LOAD, 0, 0, FIRST_ARGUMENT)]
    program += [(JUMP_SET, 1, 0, CLONE_THREAD), (RETURN, 0, 0, NOT_PERMITTED)]
    program += [(RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("<HBBI", *entry) for entry in program)
