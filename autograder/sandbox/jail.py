"""The worker's own locks: resource limits, Landlock, seccomp. Taken after the fork, before the first student cell.

Each is a layer of its own; what the system does not offer is left out and reported, and the canaries of
autograder/grading/canaries.py show what the layers together are worth. Locks are one-way: no code in the worker can
undo them.
"""

import contextlib
import ctypes
import os
import resource
import struct
import sys

LIMITS = {
    "RLIMIT_NPROC": 64,  # processes and threads of this user; the kernel ignores it for root
    "RLIMIT_FSIZE": 64 << 20,  # bytes of one file
    "RLIMIT_NOFILE": 256,
    "RLIMIT_CORE": 0,
    "RLIMIT_CPU": 600,  # seconds, in case the referee is gone
}

# Landlock: system calls of Linux on all architectures, and the rights of ABI 1 (see landlock(7)).
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1, 2, 4, 8
TRUNCATE, IOCTL = 0x4000, 0x8000
WRITES_BY_ABI = {1: 0x1FF0, 2: 0x2000, 3: TRUNCATE, 5: IOCTL}  # make, remove; refer; truncate; ioctl
NETWORK = 3  # bind and connect by TCP, ABI 4
SCOPES = 3  # abstract sockets and signals, ABI 6

DENIED = (
    "ptrace process_vm_readv process_vm_writev pidfd_open pidfd_getfd pidfd_send_signal process_madvise kcmp "
    "mount umount2 pivot_root chroot unshare setns bpf perf_event_open userfaultfd keyctl add_key request_key "
    "open_by_handle_at name_to_handle_at init_module finit_module delete_module kexec_load reboot swapon swapoff "
    "io_uring_setup io_uring_enter io_uring_register rt_sigqueueinfo rt_tgsigqueueinfo "
    # memory that no limit counts, and what outlives its process
    "memfd_create memfd_secret shmget shmat shmctl semget semop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink "
    # priorities of others, and where they run
    "setpriority ioprio_set migrate_pages move_pages process_mrelease"
).split()
OF_OTHERS = "prlimit64 sched_setaffinity sched_setscheduler sched_setparam sched_setattr".split()  # first argument: pid
CLONE_THREAD, AF_UNIX = 0x10000, 1
STREAM, DATAGRAM, RAW = 1, 2, 3  # kinds of local sockets, beside those of whole packets


def lock(home, readable, memory, network=False, listed=(), compiler=False, devices=(), unlocked=False):
    """Take all locks that this system offers.

    Parameters
    ----------
    home : str
        The only folder that may be written.
    readable : list of str
        Folders and files that may be read and executed.
    memory : int
        Bytes of address space.
    network : bool
        Leave sockets and processes alone: for tasks that start processes and connect them over the loopback of a
        network namespace of their own. Without it a worker is one process, whose clock and memory are all there is.
    listed : list of str
        Folders whose names may be seen, without what is in the files.
    compiler : bool
        Leave processes alone, but not sockets: for tasks whose answers are compiled. Their speed is not measured here.
    devices : list of str
        Devices, and folders of devices, that may be used: those of a GPU. Its driver gets what it needs to start.
    unlocked : bool
        Take none: for the benchmark, which runs no student's code.

    Returns
    -------
    dict
        layer -> "" where it holds, or why it does not.
    """
    if unlocked:
        return dict.fromkeys(("limits", "landlock", "seccomp"), "asked for none")
    held, scoped = {}, []
    for name, take in (
        ("limits", lambda: limit(memory, "RLIMIT_DATA" if devices else "RLIMIT_AS")),
        ("landlock", lambda: scoped.append(landlock(home, readable, network, listed, devices))),
        ("seccomp", lambda: seccomp(network, any(scoped), compiler, bool(devices))),
    ):
        try:
            take()
            held[name] = ""
        except Exception as error:
            held[name] = f"{type(error).__name__}: {error}"[:200]
    return held


def limit(memory, kind="RLIMIT_AS"):
    """Resource limits, soft and hard. CUDA maps far more addresses than it takes memory: there its own data count."""
    for name, value in {**LIMITS, kind: memory}.items():
        _, hard = resource.getrlimit(getattr(resource, name))
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(getattr(resource, name), (value, value))


def landlock(home, readable, network=False, listed=(), devices=()):
    """Files: read `readable`, write `home` alone. TCP: none. Signals: to the worker's own processes alone.

    Returns
    -------
    bool
        Whether this kernel can keep signals in.
    """
    if sys.platform != "linux":
        raise OSError(f"not on {sys.platform}")
    libc = ctypes.CDLL(None, use_errno=True)

    def call(number, *arguments):
        result = libc.syscall(number, *arguments)
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    abi = call(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(1))
    reads = EXECUTE | READ_FILE | READ_DIR
    handled = reads | WRITE_FILE
    for version, rights in WRITES_BY_ABI.items():
        handled |= rights if abi >= version else 0
    fields = [handled, NETWORK if abi >= 4 and not network else 0, SCOPES if abi >= 6 else 0]
    attributes = struct.pack("QQQ"[: 1 + (abi >= 4) + (abi >= 6)], *fields[: 1 + (abi >= 4) + (abi >= 6)])
    ruleset = call(CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    rules = [(path, reads) for path in readable] + [(path, READ_DIR) for path in listed]
    rules += [(path, (reads | WRITE_FILE | IOCTL) & handled) for path in devices]
    # CUDA does not start where it cannot write about its own process
    rules += [("/proc/self", (reads | WRITE_FILE | TRUNCATE) & handled)] if devices else []
    for path, rights in [*rules, (home, handled), ("/dev/null", READ_FILE | WRITE_FILE)]:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue
        if not os.path.isdir(path):
            rights &= EXECUTE | READ_FILE | WRITE_FILE | IOCTL
        call(
            ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(1), struct.pack("=QI", rights, descriptor), ctypes.c_uint32(0)
        )
        os.close(descriptor)
    if libc.prctl(38, 1, 0, 0, 0):  # PR_SET_NO_NEW_PRIVS
        raise OSError(ctypes.get_errno(), "no_new_privs")
    call(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)
    return abi >= 6


def seccomp(network=False, scoped=False, compiler=False, driver=False):
    """System calls: no sockets but pairs, no further processes, no look into others, no signals unless Landlock keeps
    them in.

    CUDA's driver wants to keep files in memory (NVIDIA/OpenShell, issue 1696) and to listen on a local socket for
    packets, by which processes hand each other memory of the GPU, or it does not start. It gets both, and no way to
    connect: Landlock hides no program's local socket, and one of them may start programs for whoever asks.
    """
    import errno

    import pyseccomp as sc

    rules = sc.SyscallFilter(sc.ALLOW)
    deny = sc.ERRNO(errno.EPERM)
    for name in DENIED:
        if driver and name == "memfd_create":
            continue
        try:
            rules.add_rule(deny, name)
        except (RuntimeError, ValueError, OSError):
            continue  # not a system call of this architecture
    for name in OF_OTHERS:
        rules.add_rule(deny, name, sc.Arg(0, sc.NE, 0))
    if not network:
        rules.add_rule(deny, "socket", *[sc.Arg(0, sc.NE, AF_UNIX)] * driver)
        for kind in (STREAM, DATAGRAM, RAW) if driver else ():
            rules.add_rule(deny, "socket", sc.Arg(1, sc.MASKED_EQ, 0xF, kind))
        rules.add_rule(deny, "connect")
        rules.add_rule(deny, "socketpair", sc.Arg(1, sc.MASKED_EQ, 2, 2))  # datagrams: these can be sent elsewhere
    if not network and not compiler:
        rules.add_rule(sc.ERRNO(errno.ENOSYS), "clone3")  # its flags cannot be seen here; glibc then uses clone
        rules.add_rule(deny, "clone", sc.Arg(0, sc.MASKED_EQ, CLONE_THREAD, 0))
        for name in ("fork", "vfork"):
            with contextlib.suppress(RuntimeError, ValueError, OSError):  # not on ARM
                rules.add_rule(deny, name)
    if not scoped:
        for name in ("kill", "tgkill"):
            rules.add_rule(deny, name, sc.Arg(0, sc.NE, os.getpid()))
        rules.add_rule(deny, "tkill")
    rules.load()
