"""Objects to Orthanc by STOW-RS: are the bytes there those of the store, is a resend no second object, and how fast.

Beside us in the same run: dicomweb-client's own `store_instances`, and our C-STORE to the same Orthanc. Every second
object has a group length element (retired, PS3.5 7.2), as older devices write it: a library that decodes and encodes
anew leaves it out.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from dicomweb_client.web import DICOMwebClient
from pydicom import dcmread

from benchmarks.machine import machine
from benchmarks.verdict import end
from dcis_node.deliver.outcome import PeerAddress, Sent
from dcis_node.deliver.sender import outgoing_from_file, send_files
from dcis_node.deliver.web.address import WebAddress
from dcis_node.deliver.web.qido import present
from dcis_node.deliver.web.stow import stow_files
from tests.deliver.helpers import dicom_file, with_group_length
from tests.dicomweb_peer import dicomweb_orthanc, dicomweb_url

EXAM = 10  # objects of one request or association


def objects(folder: Path, number: int, size_bytes: int) -> list[Path]:
    folder.mkdir()
    paths = [dicom_file(folder / f"{n}.dcm", size_bytes=size_bytes) for n in range(number)]
    return [with_group_length(path) if n % 2 else path for n, path in enumerate(paths)]


def arrived(archive, paths: list[Path], *, data_set_only: bool = False) -> int:
    """Count the objects of which the archive has exactly one, with the bytes of ours."""
    equal = 0
    for path in paths:
        ours = path.read_bytes()
        found = archive.find("Instance", {"SOPInstanceUID": outgoing_from_file(path).sop_instance_uid})
        if len(found) == 1:
            theirs = archive.file(found[0])
            start = 144 + int.from_bytes(ours[140:144], "little") if data_set_only else 0
            equal += theirs.endswith(ours[start:]) if data_set_only else theirs == ours
    return equal


def insist(outcomes: Iterable[Sent]) -> None:
    """Let no figure come of a run in which something was refused."""
    if any(sent.status != 0 for sent in outcomes):
        raise SystemExit("Orthanc did not take an object")


def timed(send, paths: list[Path]) -> float:
    """Send exam by exam; gives objects a second."""
    started = time.monotonic()
    for first in range(0, len(paths), EXAM):
        send(paths[first : first + EXAM])
    return len(paths) / (time.monotonic() - started)


def measure(number: int, size_bytes: int) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sets = {kind: objects(folder / kind, number, size_bytes) for kind in ("stow", "library", "c-store")}
        with dicomweb_orthanc(folder) as archive:
            web = WebAddress(dicomweb_url(archive), timeout_seconds=60.0)
            peer = PeerAddress("127.0.0.1", archive.dicom_port, archive.aet, timeout_seconds=60.0)
            client = DICOMwebClient(web.url)

            def stow(paths: list[Path]) -> None:
                insist(stow_files([outgoing_from_file(path) for path in paths], web))

            def c_store(paths: list[Path]) -> None:
                insist(send_files([outgoing_from_file(path) for path in paths], peer))

            def library(paths: list[Path]) -> None:
                client.store_instances([dcmread(path) for path in paths])

            rates = {
                "stow": timed(stow, sets["stow"]),
                "library": timed(library, sets["library"]),
                "c-store": timed(c_store, sets["c-store"]),
            }
            before = len(archive.json("/instances"))
            stow(sets["stow"][:EXAM])
            return {
                "objects": number,
                "size_bytes": size_bytes,
                "objects_a_second": {kind: round(rate, 1) for kind, rate in rates.items()},
                "stow_same_bytes": arrived(archive, sets["stow"]),
                "library_same_bytes": arrived(archive, sets["library"]),
                "c_store_same_data_set": arrived(archive, sets["c-store"], data_set_only=True),
                "stow_listed_by_qido": len(present([outgoing_from_file(p) for p in sets["stow"]], web).found),
                "second_objects_after_resend": len(archive.json("/instances")) - before,
                "machine": machine(folder),
            }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=300)
    parser.add_argument("--size", type=int, default=100_000, help="bytes of each")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    figures = measure(arguments.objects, arguments.size)
    held = {
        "every object arrives byte for byte": figures["stow_same_bytes"] == arguments.objects,
        "every object is listed": figures["stow_listed_by_qido"] == arguments.objects,
        "a resend makes no second object": figures["second_objects_after_resend"] == 0,
    }
    return end(figures, as_json=arguments.json, held=held)


if __name__ == "__main__":
    sys.exit(main())
