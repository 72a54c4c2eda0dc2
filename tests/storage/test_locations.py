from pathlib import Path

import pytest

from dcis_node.errors import UnsafeLocationError
from storage.locations import check_location, file_system_of

LINE = "{number} 1 8:1 / {point} rw,relatime shared:1 - {kind} source rw\n"


@pytest.fixture
def mounts(tmp_path: Path):
    def write(*pairs: tuple[str, str]) -> Path:
        file = tmp_path / "mountinfo"
        file.write_text("".join(LINE.format(number=n, point=p, kind=k) for n, (p, k) in enumerate(pairs)))
        return file

    return write


@pytest.mark.parametrize(
    "kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "ceph", "glusterfs", "fuse.sshfs", "fuse.rclone"]
)
def test_a_network_file_system_is_refused_by_name(mounts, kind: str) -> None:
    with pytest.raises(UnsafeLocationError, match=kind):
        check_location(Path("/srv/data/index.sqlite"), mountinfo=mounts(("/", "ext4"), ("/srv/data", kind)))


@pytest.mark.parametrize("kind", ["ext4", "xfs", "btrfs", "overlay", "tmpfs", "virtiofs", "fuse.fuse-overlayfs"])
def test_a_local_file_system_is_let_through(mounts, kind: str) -> None:
    check_location(Path("/srv/data/index.sqlite"), mountinfo=mounts(("/", "nfs"), ("/srv", kind)))


def test_the_deepest_and_then_the_latest_mount_counts(mounts) -> None:
    table = mounts(("/srv", "ext4"), ("/", "nfs"), ("/srv/data", "cifs"), ("/srv/data", "xfs"))
    assert file_system_of(Path("/srv/data/x"), mountinfo=table) == "xfs"
    assert file_system_of(Path("/srv/database"), mountinfo=table) == "ext4"
    assert file_system_of(Path("/home"), mountinfo=table) == "nfs"


def test_a_mount_point_with_a_space_is_found(mounts) -> None:
    assert file_system_of(Path("/a b/x"), mountinfo=mounts(("/", "ext4"), ("/a\\040b", "nfs"))) == "nfs"


def test_without_a_list_of_mounts_nothing_is_refused(tmp_path: Path) -> None:
    check_location(tmp_path, mountinfo=tmp_path / "none")


def test_this_machine_names_the_file_system_of_its_root() -> None:
    assert file_system_of(Path("/proc")) == "proc"
