"""OMI-DB's JSON files of one client: lesions and pathology (`nbss_*.json`), studies and marks (`imagedb_*.json`).

The layout is that of the public parser `omidb`; codes of the UK's breast screening system: DcisGrade NDL low,
NDI intermediate, NDH high, NDN not assessable; DiseaseGrade G1 ... G3 and MalignancyType b are invasive;
InSituComponents NID ductal, NIL lobular.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from dcis_node.errors import TrainingError

DCIS_GRADES = MappingProxyType({"NDL": 1, "NDI": 2, "NDH": 3})
_INVASIVE_GRADES = ("G1", "G2", "G3")
_NO = ("", "0", "n", "no", "none", "null", "false")
SIDES = ("L", "R")


@dataclass(frozen=True)
class Specimen:
    """What one operation or biopsy of one lesion gave.

    Parameters
    ----------
    grade
        DCIS grade 1 ... 3, or None where it was not assessed.
    invasive, lobular
        Invasive cancer, lobular carcinoma in situ.
    date
        `YYYY-MM-DD` or "".
    """

    grade: int | None
    invasive: bool
    lobular: bool
    date: str


@dataclass(frozen=True)
class Mark:
    """A reader's box on one image: (column, row, column, row) in pixels.

    Parameters
    ----------
    lesions
        Numbers of the lesions it shows; () where it is not linked.
    calcification, mass
        What the reader saw; `mass` with architectural distortion.
    """

    box: tuple[int, int, int, int]
    lesions: tuple[str, ...]
    calcification: bool
    mass: bool


@dataclass(frozen=True)
class Study:
    """One study: its episode, its date (`YYYY-MM-DD` or ""), and the marks of its images by SOP Instance UID."""

    episode: str
    date: str
    images: Mapping[str, tuple[Mark, ...]]


@dataclass(frozen=True)
class Client:
    """One client.

    Parameters
    ----------
    surgery, biopsy
        (episode, side, lesion) -> specimen.
    screened
        Episodes that began with screening.
    studies
        All studies.
    """

    id: str
    surgery: Mapping[tuple[str, str, str], Specimen]
    biopsy: Mapping[tuple[str, str, str], Specimen]
    screened: frozenset[str]
    studies: tuple[Study, ...] = field(default=())


def read_clients(folder: Path) -> tuple[Client, ...]:
    """Read all clients below a folder.

    Raises
    ------
    TrainingError
        If there is none, or a file is not what it should be; it is named by its number, not by the client.
    """
    paths = sorted(folder.rglob("nbss_*.json"))
    if not paths:
        raise TrainingError("no nbss_*.json below the folder of OMI-DB")
    return tuple(_client(path, number) for number, path in enumerate(paths, start=1))


def _client(path: Path, number: int) -> Client:
    id_ = path.stem.removeprefix("nbss_")
    nbss = _json(path, f"nbss file {number}")
    images = path.with_name(f"imagedb_{id_}.json")
    imagedb = _json(images, f"imagedb file {number}") if images.is_file() else {}
    episodes = {key: value for key, value in nbss.items() if isinstance(value, dict)}
    try:
        return Client(
            id_,
            dict(_specimens(episodes, "SURGERY")),
            dict(_specimens(episodes, "BIOPSYWIDE")),
            frozenset(key for key, episode in episodes.items() if episode.get("SCREENING")),
            tuple(_studies(imagedb)),
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        msg = f"client {number} of OMI-DB: the JSON is not laid out as expected"
        raise TrainingError(msg) from None


def _json(path: Path, name: str) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError):
        values = None
    if not isinstance(values, dict):
        msg = f"{name} of OMI-DB is no readable JSON object"
        raise TrainingError(msg)
    return values


def _specimens(episodes: Mapping[str, dict[str, Any]], event: str) -> Iterator[tuple[tuple[str, str, str], Specimen]]:
    for key, episode in episodes.items():
        for side in SIDES:
            for lesion, values in ((episode.get(event) or {}).get(side) or {}).items():
                if isinstance(values, dict):
                    yield (key, side, str(lesion)), _specimen(values)


def _specimen(values: Mapping[str, Any]) -> Specimen:
    invasive = (
        _says(values.get("InvasiveComponents"))
        or _says(values.get("InvasiveType"))
        or _says(values.get("InvasivePresent"))
        or str(values.get("DiseaseGrade")) in _INVASIVE_GRADES
        or str(values.get("MalignancyType")) == "b"
    )
    components = str(values.get("InSituComponents") or "").upper()
    grade = DCIS_GRADES.get(str(values.get("DcisGrade") or "").strip().upper())
    return Specimen(grade, invasive, "NIL" in components, str(values.get("DatePerformed") or "")[:10])


def _studies(imagedb: Mapping[str, Any]) -> Iterator[Study]:
    for study in (imagedb.get("STUDIES") or {}).values():
        images: dict[str, tuple[Mark, ...]] = {}
        for series in study.values():
            if isinstance(series, dict):
                for uid, marks in series.items():
                    images[str(uid)] = tuple(map(_mark, marks.values())) if isinstance(marks, dict) else ()
        yield Study(str(study.get("EpisodeID") or ""), str(study.get("StudyDate") or "")[:10], images)


def _mark(values: Mapping[str, Any]) -> Mark:
    corners = tuple(round(float(values[name])) for name in ("X1", "Y1", "X2", "Y2"))
    linked = str(values.get("LinkedNBSSLesionNumber") or "").split(",")
    return Mark(
        (corners[0], corners[1], corners[2], corners[3]),
        tuple(number.strip() for number in linked if number.strip()),
        any(_says(values.get(name)) for name in ("SuspiciousCalcifications", "WithCalcification")),
        any(_says(values.get(name)) for name in ("Mass", "ArchitecturalDistortion")),
    )


def _says(value: object) -> bool:
    """Tell whether a flag is set: OMI-DB writes 1, "Y", the flag's own name, or nothing."""
    return str(value if value is not None else "").strip().lower() not in _NO
