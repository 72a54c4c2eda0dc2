"""Small file systems of one's own, to be filled or cut off from power. Linux, as root, with mkfs.ext4."""

import contextlib
import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.peer_tools import require

# linux/fs.h; without the flag the kernel would write its journal out first, as no power cut does.
FS_IOC_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
UNMOUNT_SECONDS = 20.0


def make_ext4(image: Path, *, megabytes: int, inodes: int | None = None) -> None:
    """Make a file that holds an empty ext4; nothing in it is reserved for root."""
    with image.open("wb") as file:
        file.truncate(megabytes << 20)
    fixed = [] if inodes is None else ["-N", str(inodes)]
    subprocess.run([require("mkfs.ext4"), "-q", "-F", "-m", "0", *fixed, str(image)], check=True)


@contextlib.contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """Mount the file system of an image file for a while."""
    folder.mkdir(exist_ok=True)
    subprocess.run([require("mount"), "-o", "loop,noatime", str(image), str(folder)], check=True)
    try:
        yield folder
    finally:
        _unmount(folder)


@contextlib.contextmanager
def small_ext4(folder: Path, *, megabytes: int, inodes: int | None = None) -> Iterator[Path]:
    """Make, mount and forget an ext4."""
    image = folder / "disk.img"
    make_ext4(image, megabytes=megabytes, inodes=inodes)
    try:
        with mounted(image, folder / "disk") as disk:
            yield disk
    finally:
        image.unlink()


@contextlib.contextmanager
def small_tmpfs(folder: Path, *, megabytes: int, inodes: int | None = None) -> Iterator[Path]:
    """Mount and forget a file system in memory: as full as a disk can be, and needs no loop device."""
    disk = folder / "disk"
    disk.mkdir(exist_ok=True)
    limits = f"size={megabytes}m" + ("" if inodes is None else f",nr_inodes={inodes}")
    subprocess.run([require("mount"), "-t", "tmpfs", "-o", limits, "tmpfs", str(disk)], check=True)
    try:
        yield disk
    finally:
        _unmount(disk)


def cut_power(disk: Path) -> None:
    """Stop a mounted file system as a power cut does: what is not on its device by now never will be.

    The pages that nobody has synced are dropped, the journal is not written; every later call on it fails with EIO.
    Mounted again, it shows what a machine would find that comes up. (XFS and ext4 are tested by their makers this way.)
    """
    descriptor = os.open(disk, os.O_RDONLY)
    try:
        fcntl.ioctl(descriptor, FS_IOC_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
    finally:
        os.close(descriptor)


def _unmount(folder: Path) -> None:
    until = time.monotonic() + UNMOUNT_SECONDS
    while subprocess.run([require("umount"), str(folder)], check=False, capture_output=True).returncode:
        if time.monotonic() > until:
            subprocess.run([require("umount"), "--lazy", str(folder)], check=True)
            return
        time.sleep(0.2)
