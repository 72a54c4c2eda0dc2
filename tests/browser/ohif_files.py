"""The viewer under test: OHIF as npm gives it, one version, checked by its hash, kept outside of the checkout.

`python -m tests.browser.ohif_files` fetches it beforehand, so that no test waits for a download.
"""

import hashlib
import os
import subprocess
import tarfile
import tempfile
from pathlib import Path

from tests.peer_tools import require, without

PACKAGE = "@ohif/app"
VERSION = "3.13.2"
# Of the tarball (49.9 MB) that `npm pack` gives.
SHA256 = "b189d3963bfc58e9394a9db8c7be75d07beb029ec211dbb126d47b62969dd3f1"


def cache_folder() -> Path:
    """Give the folder where what tests download is kept: $DCIS_NODE_CACHE, or one in the user's cache."""
    own = os.environ.get("DCIS_NODE_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dcis-node-tests"


def ohif_dist() -> Path:
    """Give the folder of OHIF's pages, fetched at the first call; without npm or network as a missing tool."""
    unpacked = cache_folder() / f"ohif-{VERSION}-{SHA256[:8]}"
    if not unpacked.is_dir():
        _unpack(_tarball(), unpacked)
    return unpacked / "package" / "dist"


def _tarball() -> Path:
    cache = cache_folder()
    cache.mkdir(parents=True, exist_ok=True)
    tarball = cache / f"{PACKAGE.strip('@').replace('/', '-')}-{VERSION}.tgz"
    if not tarball.exists():
        _fetch(tarball)
    found = hashlib.sha256(tarball.read_bytes()).hexdigest()
    if found != SHA256:
        raise ValueError(f"{tarball} has SHA-256 {found}, expected {SHA256}: delete it if the download was cut")
    return tarball


def _fetch(tarball: Path) -> None:
    npm = require("npm")
    # In a folder of its own: another process may be fetching, too, and what is cut must not stay.
    with tempfile.TemporaryDirectory(dir=tarball.parent) as folder:
        command = [npm, "pack", "--silent", f"{PACKAGE}@{VERSION}"]
        try:
            subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=600)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            without(f"npm could not fetch {PACKAGE}@{VERSION} ({error}; {error.stderr})")
        (Path(folder) / tarball.name).rename(tarball)


def _unpack(tarball: Path, to: Path) -> None:
    with tempfile.TemporaryDirectory(dir=to.parent) as folder:
        with tarfile.open(tarball) as archive:
            archive.extractall(folder, filter="data")
        if not to.is_dir():
            Path(folder).rename(to)
            Path(folder).mkdir()  # for the end of the block


if __name__ == "__main__":
    ohif_dist()
