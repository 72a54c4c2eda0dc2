"""What a decoding child may not do: outlive its parent, write files, reach the network, start others, make code. Linux.

Each fence is put up as far as the kernel offers it and lets an ordinary user do so; one that it does not offer is left
out, and the limits of `dcis_node.analyse.limits` hold in any case. Standard library only, called before any decoder is
imported.
"""

import ctypes
import os
import signal
import struct

# The environment variable in which the parent says who it is.
PARENT = "DCIS_NODE_PARENT_PID"
# linux/prctl.h
PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 1, 38, 65
PR_MDWE_REFUSE_EXEC_GAIN = 1
CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
# linux/landlock.h; the numbers of its calls are the same on every architecture.
LANDLOCK_CREATE_RULESET, LANDLOCK_RESTRICT_SELF = 444, 446
CREATE_RULESET_VERSION = 1
# Access rights by the version of Landlock that brought them: running programs and all that change a file system
# (reading files and folders, bits 2 and 3, stays), then moving between folders, then truncating.
RUNNING_AND_WRITING = {1: 0x1FF3, 2: 0x2000, 3: 0x4000}
BIND_AND_CONNECT_TCP = {4: 0b11}


def die_with_parent(parent: int) -> None:
    """Be killed when the parent dies, however it dies; leave at once if it is dead already.

    Parameters
    ----------
    parent
        Its process id, as it said itself: between fork and this call it may have gone.
    """
    _libc().prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def confine() -> None:
    """Give up writing files, running programs, new code and the network for good; open descriptors stay as they are."""
    # Decoders are compiled ones: memory that was written is never run. Since Linux 6.3. The analysis itself cannot have
    # this, nor can the service as a whole (systemd/dcis-node.service): its kernels are made at run time.
    _libc().prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0)
    _without_network()
    _landlock()


def _without_network() -> None:
    """Move into an empty network of one's own; an ordinary user needs a namespace of users for that."""
    libc = _libc()
    if libc.unshare(CLONE_NEWNET) != 0:
        libc.unshare(CLONE_NEWUSER | CLONE_NEWNET)


def _landlock() -> None:
    libc = _libc()
    version = libc.syscall(LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), CREATE_RULESET_VERSION)
    if version < 1:
        return
    attributes = ruleset(version)
    ruleset_fd = libc.syscall(LANDLOCK_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset_fd < 0:
        return
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.syscall(LANDLOCK_RESTRICT_SELF, ruleset_fd, 0)
    os.close(ruleset_fd)


def ruleset(version: int) -> bytes:
    """Give the attributes of a ruleset that forbids writing, running programs and TCP, as far as the version can.

    No rule allows anything of what is handled, so nothing of it is allowed.
    """
    files = sum(bits for since, bits in RUNNING_AND_WRITING.items() if since <= version)
    network = sum(bits for since, bits in BIND_AND_CONNECT_TCP.items() if since <= version)
    return struct.pack("=QQ", files, network) if network else struct.pack("=Q", files)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
