"""What `dcis-node send` and the demo do: files of a folder to a peer, a line for each."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dcis_node.config import Configuration, DestinationSettings
from dcis_node.deliver import routes
from dcis_node.deliver.outcome import Outgoing, PeerAddress
from dcis_node.deliver.policy import Action, judge
from dcis_node.deliver.route import Route
from dcis_node.deliver.sender import outgoing_from_file
from dcis_node.errors import DeliveryError, InputError


@dataclass(frozen=True)
class Line:
    """What came of one file. `path` is the user's own; nothing of the file's content is shown."""

    path: Path
    stored: bool
    status: int | None
    text: str

    def to_json(self) -> dict[str, Any]:
        """Give plain values."""
        return {"path": str(self.path), "stored": self.stored, "status": self.status, "text": self.text}


def dicom_files(folder: Path) -> tuple[tuple[Outgoing, ...], tuple[Line, ...]]:
    """Find the DICOM files at a path.

    Returns
    -------
    tuple
        The files that can be sent, by name, and a line for each `*.dcm` that cannot. Files that are no DICOM and do
        not claim to be are passed over.

    Raises
    ------
    InputError
        There is no such path.
    """
    if not folder.exists():
        raise InputError("no_such_path", f"{folder}: no such file or folder")
    paths = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else [folder]
    found, unusable = [], []
    for path in paths:
        try:
            found.append(outgoing_from_file(path))
        except DeliveryError as error:
            if path.suffix.lower() == ".dcm" or path == folder:
                unusable.append(Line(path, stored=False, status=None, text=str(error)))
    return tuple(found), tuple(unusable)


def send_outgoing(files: tuple[Outgoing, ...], to: PeerAddress | Route) -> Iterator[Line]:
    """Send files and tell of each as soon as it is known."""
    route = to if isinstance(to, Route) else routes.dicom_route(to)
    for sent in route.send(files):
        verdict = judge(sent, route.address)
        yield Line(sent.item.path, stored=verdict.action is Action.DONE, status=sent.status, text=verdict.text)


def send_folder(folder: Path, to: PeerAddress | Route) -> list[Line]:
    """Send every DICOM file of a folder.

    Raises
    ------
    InputError
        There is no such path, or no DICOM file in it.
    """
    files, unusable = dicom_files(folder)
    if not files and not unusable:
        raise InputError("no_dicom_files", f"{folder}: no DICOM file found")
    return [*unusable, *send_outgoing(files, to)]


def destination_of(configuration: Configuration, name: str) -> DestinationSettings:
    """Find a destination by its name.

    Raises
    ------
    InputError
        There is none of that name.
    """
    found = next((one for one in configuration.destinations if one.name == name), None)
    if found is None:
        names = ", ".join(one.name for one in configuration.destinations) or "none"
        raise InputError("no_such_destination", f"{name}: no such destination; config.toml names: {names}")
    return found


def peer_of(configuration: Configuration, destination: DestinationSettings) -> PeerAddress:
    """Give the address of a destination of kind dicom, as the courier uses it."""
    return routes.peer_of(
        destination, configuration.deliver, aet=configuration.node.aet, base=configuration.base.absolute()
    )


def route_to(configuration: Configuration, destination: DestinationSettings) -> Route:
    """Give the courier's route to a destination."""
    return routes.route_of(
        destination, configuration.deliver, aet=configuration.node.aet, base=configuration.base.absolute()
    )
