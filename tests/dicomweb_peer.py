"""Orthanc with its DICOMweb plugin as a peer."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.peer_programs import Orthanc, orthanc
from tests.peer_tools import without

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")


@contextlib.contextmanager
def dicomweb_orthanc(folder: Path, **settings: object) -> Iterator[Orthanc]:
    """Run Orthanc with DICOMweb at `/dicom-web`."""
    if not PLUGIN.exists():
        without(f"{PLUGIN} is missing (Debian package: orthanc-dicomweb)")
    web = {"Enable": True, "Root": "/dicom-web/"}
    with orthanc(folder, Plugins=[str(PLUGIN)], DicomWeb=web, **settings) as running:
        yield running


def dicomweb_url(peer: Orthanc, *, scheme: str = "http") -> str:
    """Give the root of its service."""
    return f"{scheme}://127.0.0.1:{peer.http_port}/dicom-web"
