"""Where an index and its files may lie: on a disk of this machine."""

import re
from pathlib import Path

from dcis_node.errors import UnsafeLocationError

MOUNTINFO = Path("/proc/self/mountinfo")

# File systems whose locks or fsync are a promise of another machine, or of none (sqlite.org/faq.html, question 5).
# 9p is here because its usual servers (WSL2 drives, virtual machines) do not pass locks on; virtiofs is not, because
# the guest's own kernel holds the locks.
NETWORK_TYPES = frozenset(
    {"9p", "acfs", "afs", "beegfs", "ceph", "cifs", "coda", "davfs", "fhgfs", "glusterfs", "gpfs", "lustre", "ncpfs"}
    | {"nfs", "nfs4", "orangefs", "pvfs2", "smb3", "smbfs"}
)
# A fuse file system is a program's promise: only those known to be a local disk are let through.
LOCAL_FUSE = frozenset({"fuse.fuse-overlayfs", "fuse.mergerfs", "fuse.ntfs-3g", "fuse.bindfs"})


def check_location(path: Path, *, mountinfo: Path = MOUNTINFO) -> None:
    """Refuse a folder on a network file system.

    Parameters
    ----------
    path
        A file or folder; it need not exist yet.
    mountinfo
        The kernel's list of mounts (proc(5)). Where it is missing (not Linux), nothing can be told and nothing is
        refused.

    Raises
    ------
    UnsafeLocationError
        The path lies on a file system where SQLite's locks or fsync cannot be trusted.
    """
    kind = file_system_of(path, mountinfo=mountinfo)
    if kind in NETWORK_TYPES or (kind.startswith("fuse.") and kind not in LOCAL_FUSE):
        msg = f"{path} lies on a network file system ({kind}); index and images need a disk of this machine"
        raise UnsafeLocationError(msg)


def file_system_of(path: Path, *, mountinfo: Path = MOUNTINFO) -> str:
    """Name the type of the file system that holds a path, or give "" where that is unknown."""
    try:
        lines = mountinfo.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return ""
    target = path.resolve()
    best, kind = -1, ""
    for line in lines:
        point, this_kind = _mount(line)
        # Of two mounts on one point the later one covers the earlier one.
        if (target == point or point in target.parents) and len(point.parts) >= best:
            best, kind = len(point.parts), this_kind
    return kind


def _mount(line: str) -> tuple[Path, str]:
    """Read mount point and type of one line: `36 35 98:0 /root /point options - type source superoptions`."""
    left, _, right = line.partition(" - ")
    point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), left.split(" ")[4])
    return Path(point), right.split(" ")[0]
