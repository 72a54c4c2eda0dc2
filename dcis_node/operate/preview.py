"""`dcis-node preview`: from an exam of the index to the picture of what a profile's viewer shows of its results."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import dcmread

from dcis_node.analyse.decode import decode_pixels
from dcis_node.analyse.earlier_answer import answer_again
from dcis_node.analyse.exam_answer import Decider
from dcis_node.config import AnalyseSettings, Configuration
from dcis_node.errors import InputError, PixelError
from dcis_node.mammogram.eligibility import explain
from dcis_node.mammogram.facts import Reason
from dcis_node.operate.bundles import bundles_of
from dcis_node.operate.site import destinations_of, equipment_of
from dcis_node.results.exam_results import build_results
from dcis_node.results.identity import RESEARCH_USE, SYNTHETIC_MODEL
from dcis_node.results.kinds import ResultKind
from dcis_node.results.preview.page import draw_preview
from dcis_node.results.preview.scene import Scene, SentObject, ShownImage
from dcis_node.results.profiles import Destination, Profile
from storage.database import Database
from storage.exams import ExamInstance, exam_instances
from storage.files import FileStore
from storage.kept import KeptReport, kept_report
from storage.overview import exam_ids

# What decides whether an image's pixels are shown.
DECIDING = ("BurnedInAnnotation", "NumberOfFrames")


@dataclass(frozen=True, eq=False)
class Preview:
    """A finished preview.

    Parameters
    ----------
    exam_id, version
        Number of the exam, and of the report that was looked at.
    """

    exam_id: int
    version: int
    scene: Scene
    picture: Image.Image

    def to_json(self) -> dict[str, Any]:
        """Give plain values of everything but the picture."""
        return {
            "exam": self.exam_id,
            "report": self.version,
            "profile": self.scene.profile.value,
            "objects": [sent.to_json(self.scene.profile) for sent in self.scene.objects],
            "notes": list(self.scene.notes),
        }


def preview(configuration: Configuration, db: Database, uid: str, profile: Profile) -> Preview:
    """Draw what a profile's viewer shows of the last report of an exam. Index and files stay as they are.

    Parameters
    ----------
    uid
        As for `trace`: of a study, series, image or result, or the number of an exam.

    Raises
    ------
    InputError
        The UID is unknown or belongs to several exams, there is no report yet, or the profile has objects that were
        not built at the time and the exam has changed since.
    BundleError, StorageError
        Objects have to be built again, and the model of the report cannot be had.
    """
    files = FileStore(configuration.folder / "store")
    with db.read() as session:
        exam_id = _one_exam(exam_ids(session, uid), uid)
        kept, instances = kept_report(session, exam_id), exam_instances(session, exam_id)
    if kept is None:
        raise InputError("no_report", f"exam {exam_id} has no report yet, so there is nothing to preview")
    _refuse_left(exam_id, kept, instances)
    objects, notes = _objects(configuration, db, files, exam_id=exam_id, kept=kept, profile=profile)
    scene = Scene(profile, objects, _images(kept, instances, files), _banner(objects), notes)
    paths = {instance.sop_instance_uid: files.path(instance.sha256) for instance in instances}
    with tempfile.TemporaryDirectory(prefix="dcis-node-") as scratch:
        decoding = _Decoding(paths, configuration.analyse, Path(scratch))
        return Preview(exam_id, kept.report.version, scene, draw_preview(scene, decoding))


def _refuse_left(exam_id: int, kept: KeptReport, instances: tuple[ExamInstance, ...]) -> None:
    """Refuse an exam whose images have left: there is nothing to draw on."""
    shown = {view["sop_instance_uid"] for view in kept.report.views}
    left = [i.removed_at for i in instances if i.removed_at is not None and i.sop_instance_uid in shown]
    if left:
        day = time.strftime("%Y-%m-%d", time.localtime(max(left)))
        text = f"images of exam {exam_id} left this node on {day} ([retention]): send them again to see it"
        raise InputError("images_left", text)


def _one_exam(found: list[int], uid: str) -> int:
    if not found:
        raise InputError("unknown_uid", "the index knows no such UID")
    if len(found) > 1:
        numbers = ", ".join(map(str, found))
        raise InputError("several_exams", f"{uid} belongs to the exams {numbers}: name one by its number")
    return found[0]


def _objects(
    configuration: Configuration, db: Database, files: FileStore, *, exam_id: int, kept: KeptReport, profile: Profile
) -> tuple[list[SentObject], list[str]]:
    """Give the objects of a profile: those that are stored, and the others built again; and what to say of that."""
    outlined = any(view["outlined"] for view in kept.report.views)
    wanted = _destination(configuration, profile).kinds(outlined=outlined)
    stored = [
        SentObject(ResultKind(result.kind), files.read(result.sha256))
        for result in kept.report.results
        if result.kind in wanted
    ]
    missing = wanted - {sent.kind for sent in stored}
    if not missing:
        return stored, []
    decider = Decider(
        db=db,
        files=files,
        bundle=bundles_of(configuration).find(kept.report.bundle_sha256),
        equipment=equipment_of(configuration),
        destinations=(),
        build=build_results,
    )
    built = build_results(answer_again(decider, exam_id), missing)
    again = [SentObject(result.kind, result.data, built_again=True) for result in built]
    order = list(ResultKind)
    notes = ["What no destination was sent is not stored; it was built for this preview from the answer of the report."]
    return sorted([*stored, *again], key=lambda sent: order.index(sent.kind)), notes if again else []


def _destination(configuration: Configuration, profile: Profile) -> Destination:
    """Give the first destination of the profile, with its switches; else one of the profile as it is."""
    found = (destination for destination in destinations_of(configuration) if destination.profile is profile)
    return next(found, Destination("", profile))


def _banner(objects: list[SentObject]) -> str:
    """Say what the objects may not be used for, as they say it of themselves."""
    synthetic = any("SYNTHETIC" in str(sent.dataset.get("SeriesDescription", "")) for sent in objects)
    return f"{RESEARCH_USE}. {SYNTHETIC_MODEL}." if synthetic else f"{RESEARCH_USE}."


def _images(kept: KeptReport, instances: tuple[ExamInstance, ...], files: FileStore) -> list[ShownImage]:
    """Give the images that the report speaks of, as they hang."""
    by_uid = {instance.sop_instance_uid: instance for instance in instances}
    views = [view for view in kept.report.views if view["sop_instance_uid"] in by_uid]
    return [_image(view, files.path(by_uid[view["sop_instance_uid"]].sha256)) for view in sorted(views, key=_hanging)]


def _hanging(view: dict[str, Any]) -> tuple[int, str, int, bool, str]:
    """Order images: CC, MLO, then the others; right before left; used ones first."""
    name, side = view["view"] or "", view["laterality"] or ""
    rank = {"CC": 0, "MLO": 1}.get(name, 2 if name else 3)
    return rank, name, {"R": 0, "L": 1}.get(side, 2), not view["eligible"], view["sop_instance_uid"]


def _image(view: dict[str, Any], path: Path) -> ShownImage:
    reason = Reason(view["reason"])
    return ShownImage(
        uid=view["sop_instance_uid"],
        label=" ".join(word for word in (view["laterality"], view["view"]) if word),
        side=view["laterality"] or "",
        attributes=dcmread(path, stop_before_pixels=True),
        unused="" if reason is Reason.ELIGIBLE else explain(reason),
    )


@dataclass(frozen=True)
class _Decoding:
    """Decodes images on demand, in the child process with limits."""

    paths: dict[str, Path]
    settings: AnalyseSettings
    scratch: Path

    def __call__(self, uid: str) -> NDArray[np.integer[Any]] | None:
        header = dcmread(self.paths[uid], stop_before_pixels=True, specific_tags=list(DECIDING))
        # Identity that is burned into the pixels must not get into the picture (PS3.3 C.7.6.1.1).
        if str(header.get("BurnedInAnnotation", "")).upper() == "YES" or (header.get("NumberOfFrames") or 1) != 1:
            return None
        try:
            return decode_pixels(self.paths[uid], self.settings, scratch=self.scratch)
        except PixelError:
            return None
