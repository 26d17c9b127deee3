"""The system calls a candidate may not make, as a seccomp filter.

A candidate starts neither process nor thread: each costs the host a process id and kernel memory, a thread needs no
stack of its own, and `RLIMIT_NPROC` does not bind root. Nor does it trace, mount, load, open a socket, or hold memory
that `RLIMIT_AS` does not count. Numbers from the kernel's tables for x86-64 and AArch64.
"""

import platform
import struct

from sc2lib.errors import UnsupportedError

LOAD, JUMP_EQUAL, JUMP_AT_LEAST, RETURN = 0x20, 0x15, 0x35, 0x06
ALLOW, KILL = 0x7FFF0000, 0x80000000
NOT_PERMITTED = 0x00050001  # ERRNO with EPERM
NUMBER, ARCHITECTURE = 0, 4  # offsets in struct seccomp_data
X32 = 0x40000000

AUDIT = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
FORBIDDEN: dict[str, dict[str, int]] = {
    name: {machine: number for machine, number in zip(AUDIT, numbers) if number is not None}
    for name, numbers in {
        # processes and threads
        "clone": (56, 220),
        "clone3": (435, 435),
        "fork": (57, None),
        "vfork": (58, None),
        # other processes
        "ptrace": (101, 117),
        "process_vm_readv": (310, 270),
        "process_vm_writev": (311, 271),
        "pidfd_getfd": (438, 438),
        # mounts and namespaces
        "mount": (165, 40),
        "umount2": (166, 39),
        "pivot_root": (155, 41),
        "chroot": (161, 51),
        "unshare": (272, 97),
        "setns": (308, 268),
        "open_tree": (428, 428),
        "move_mount": (429, 429),
        "fsopen": (430, 430),
        "fspick": (433, 433),
        "mount_setattr": (442, 442),
        # the kernel
        "bpf": (321, 280),
        "perf_event_open": (298, 241),
        "userfaultfd": (323, 282),
        "syslog": (103, 116),
        "add_key": (248, 217),
        "request_key": (249, 218),
        "keyctl": (250, 219),
        "init_module": (175, 105),
        "finit_module": (313, 273),
        "delete_module": (176, 106),
        "kexec_load": (246, 104),
        "io_uring_setup": (425, 425),
        "io_uring_enter": (426, 426),
        "io_uring_register": (427, 427),
        "socket": (41, 198),
        # memory, and tables of the host, that no limit on the process counts
        "shmget": (29, 194),
        "semget": (64, 190),
        "msgget": (68, 186),
        "mq_open": (240, 180),
        "memfd_create": (319, 279),
        "memfd_secret": (447, 447),
        "vmsplice": (278, 75),
        "setxattr": (188, 5),
        "lsetxattr": (189, 6),
        "fsetxattr": (190, 7),
        "setxattrat": (463, 463),
        "io_setup": (206, 0),
        "inotify_init": (253, None),
        "inotify_init1": (294, 26),
        "fanotify_init": (300, 262),
    }.items()
}


def seccomp_filter(machine: str | None = None) -> bytes:
    """The filter as ``struct sock_filter`` entries for ``bwrap --seccomp``.

    Raises UnsupportedError for another processor.
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
    for numbers in FORBIDDEN.values():
        if machine in numbers:
            program += [(JUMP_EQUAL, 0, 1, numbers[machine]), (RETURN, 0, 0, NOT_PERMITTED)]
    program += [(RETURN, 0, 0, ALLOW)]
    return b"".join(struct.pack("<HBBI", *entry) for entry in program)
