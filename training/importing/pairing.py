"""Which annotation file belongs to which image.

In this order: by the SOP Instance UIDs that a DICOM annotation references; by `images.csv` in the annotations folder
(columns `image` and `mask`: paths below the two folders); by name, where the file's name without its ending is the
image's SOP Instance UID, its path below the folder, or its name. A name may go on behind `_` or `-` after that, so that
one image can have several files; they are merged.
"""

import csv
import io
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pydicom import Dataset, dcmread

from dcis_node.errors import TrainingError
from training.annotations.annotation import readable
from training.importing.clinical import read_text, separator
from training.importing.scan import ScannedImage

ENDINGS = (".seg.nrrd", ".nrrd", ".nhdr", ".nii.gz", ".nii", ".png", ".dcm")
IMAGES_CSV = "images.csv"
_PREAMBLE_BYTES, _MAGIC = 128, b"DICM"


@dataclass(frozen=True)
class Pairs:
    """What belongs together.

    Parameters
    ----------
    files
        Image's path -> its annotation files, in order.
    unpaired
        (file, reason, detail) of annotations that belong to no image, or not to one only: `annotation_without_image`,
        `annotation_ambiguous`.
    """

    files: dict[str, tuple[Path, ...]]
    unpaired: tuple[tuple[str, str, str], ...]


def pair(folder: Path, images: Sequence[ScannedImage]) -> Pairs:
    """Pair the annotations below a folder with images.

    Raises
    ------
    TrainingError
        If the folder does not exist, or `images.csv` cannot be used.
    """
    if not folder.is_dir():
        msg = f"no folder {folder.name} with annotations"
        raise TrainingError(msg)
    names = _Names(images)
    listed = _read_list(folder / IMAGES_CSV, names) if (folder / IMAGES_CSV).is_file() else {}
    found: dict[str, list[Path]] = defaultdict(list)
    unpaired = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file() and path.name != IMAGES_CSV):
        file = path.relative_to(folder).as_posix()
        matches, is_annotation = _matches(path, file, names=names, listed=listed)
        if not is_annotation:
            continue
        if len(matches) == 1:
            found[matches[0]].append(path)
        elif matches:
            unpaired.append((file, "annotation_ambiguous", f"{len(matches)} images have that name"))
        else:
            unpaired.append((file, "annotation_without_image", "no image is referenced by it or has its name"))
    return Pairs({image: tuple(paths) for image, paths in found.items()}, tuple(unpaired))


def _matches(path: Path, file: str, *, names: "_Names", listed: dict[str, str]) -> tuple[tuple[str, ...], bool]:
    """Give the images that a file may belong to, and whether it is an annotation at all."""
    ds = _dicom(path)
    if ds is not None:
        referenced = names.by_uid(_instances_named(ds))
        if referenced:
            return referenced, True
    elif not file.lower().endswith(ENDINGS):
        return (), False
    if file in listed:
        return (listed[file],), True
    return names.by_name(_stem(file)), True


class _Names:
    """The names by which an annotation may call an image."""

    def __init__(self, images: Iterable[ScannedImage]) -> None:
        self._uids: dict[str, list[str]] = defaultdict(list)
        self._names: dict[str, list[str]] = defaultdict(list)
        self._paths: dict[str, list[str]] = defaultdict(list)
        for image in images:
            if image.header is not None:
                self._uids[image.header.sop_instance_uid].append(image.file)
            stem = _stem(image.file)
            self._paths[stem].append(image.file)
            self._names[PurePosixPath(stem).name].append(image.file)
        self.files = frozenset(image.file for image in images)

    def by_uid(self, uids: Iterable[str]) -> tuple[str, ...]:
        """Give the images of these instances; of two files of one instance the first."""
        return tuple(dict.fromkeys(self._uids[uid][0] for uid in uids if uid in self._uids))

    def by_name(self, stem: str) -> tuple[str, ...]:
        """Give the images that the name means: the whole name first, then ever shorter ones."""
        tail = PurePosixPath(stem).name
        for length in (len(tail), *(i for i in range(len(tail) - 1, 0, -1) if tail[i] in "_-")):
            name, path = tail[:length], stem[: len(stem) - len(tail) + length]
            for known, asked in ((self._uids, name), (self._paths, path), (self._names, name)):
                if asked in known:
                    return tuple(known[asked][:1] if known is self._uids else known[asked])
        return ()


def _stem(file: str) -> str:
    lowered = file.lower()
    ending = next((ending for ending in (*ENDINGS, ".dicom", ".ima") if lowered.endswith(ending)), "")
    return file[: len(file) - len(ending)]


def _dicom(path: Path) -> Dataset | None:
    with path.open("rb") as file:
        if file.read(_PREAMBLE_BYTES + len(_MAGIC))[_PREAMBLE_BYTES:] != _MAGIC:
            return None
    try:
        with readable(path.name, "DICOM"):
            return dcmread(path)
    except TrainingError:
        return None


def _instances_named(ds: Dataset) -> tuple[str, ...]:
    """Give every Referenced SOP Instance UID of an object, wherever it stands."""
    uids: list[str] = []
    try:
        with readable("annotation", "DICOM"):
            uids += (str(e.value) for e in ds.iterall() if e.keyword == "ReferencedSOPInstanceUID")
    except TrainingError:
        uids.clear()  # garbled: its reader will say so, if a name leads to it
    return tuple(dict.fromkeys(uids))


def _read_list(path: Path, names: _Names) -> dict[str, str]:
    """Read `images.csv`: annotation file -> image."""
    text = read_text(path)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator(text.partition("\n")[0]))
    header = [cell.strip().lower() for cell in next(rows, [])]
    if "image" not in header or "mask" not in header:
        msg = f"{path.name}: needs the columns image and mask"
        raise TrainingError(msg)
    listed: dict[str, str] = {}
    for number, row in enumerate(rows, start=2):
        cells = dict(zip(header, (cell.strip() for cell in row), strict=False))
        if not cells.get("mask"):
            continue
        if cells.get("image") not in names.files:
            msg = f"{path.name}: row {number} names an image that is not there"
            raise TrainingError(msg)
        if not (path.parent / cells["mask"]).is_file():
            msg = f"{path.name}: row {number} names a mask that is not there"
            raise TrainingError(msg)
        listed[cells["mask"]] = str(cells["image"])
    return listed
