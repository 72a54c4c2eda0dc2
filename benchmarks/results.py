"""Time and size of the result objects of an exam. Bar: four views of 4096 x 3328 built and checked, 1.0 s on one core.

The bar is held to every object at once, more than any one destination gets: readable and measurement report, CAD
report, summary image, segmentation and presentation state of each view. Measured besides: each profile, and all
kinds, where the measurement report is made in each of its forms.

The peer, measured in the same run: highdicom alone writing the four segmentations, without reports and without a check.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime

import highdicom
import numpy as np
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian
from scipy import ndimage

from dcis_node.mammogram.facts import ImageKind, Laterality, MammogramHeader, Reason
from dcis_node.model.evidence import BreastDecision, Candidate, Decision, LesionSource, Risk, ViewPrediction
from dcis_node.results.answer import Equipment, ExamAnswer, ModelIdentity, SourceImage, ViewPicture
from dcis_node.results.exam_results import build_results
from dcis_node.results.identity import stand_in
from dcis_node.results.kinds import ResultKind
from dcis_node.results.profiles import Destination, Profile

BAR_SECONDS = 1.0
# Every object once: the measurement report in one form.
EVERY_OBJECT = frozenset(
    {
        ResultKind.READABLE_REPORT,
        ResultKind.MEASUREMENT_REPORT,
        ResultKind.CAD_REPORT,
        ResultKind.SUMMARY_IMAGE,
        ResultKind.SEGMENTATION,
        ResultKind.PRESENTATION_STATE,
    }
)
ROWS, COLUMNS = 4096, 3328
VIEWS = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))


def lesion(seed: int) -> np.ndarray:
    """A ragged lesion of about 25 mm in a few pieces, as a network outlines one."""
    noise = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=(400, 400)), 9)
    rows, columns = np.mgrid[:400, :400]
    inside = np.hypot(rows - 200, columns - 200) < 170
    mask = np.zeros((ROWS, COLUMNS), dtype=bool)
    mask[1800:2200, 900:1300] = inside & (noise > 0.3 * noise.std())
    return mask


def view(number: int) -> SourceImage:
    """One analysed view."""
    laterality, name = VIEWS[number]
    header = MammogramHeader(
        sop_class_uid=DigitalMammographyXRayImageStorageForPresentation,
        sop_instance_uid=f"2.25.1.{number}",
        study_instance_uid="2.25.1",
        series_instance_uid=f"2.25.1.{number}.1",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        kind=ImageKind.FFDM,
        laterality=Laterality(laterality),
        view=name,
        rows=ROWS,
        columns=COLUMNS,
        spacing_mm=(0.065, 0.065),
        magnification=1.06,
        patient_orientation=("A", "R"),
    )
    ds = Dataset()
    ds.PatientName, ds.PatientID, ds.StudyDate, ds.Manufacturer = "Bench^Mark", "BENCH-0001", "20260101", "Vendor"
    mask = lesion(number)
    candidate = Candidate(2000.0, 1100.0, (1800, 900, 2200, 1300), int(mask.sum()), 1000.0, 0.8, 30)
    folds = (0.5, 0.55, 0.6, 0.65, 0.7)
    prediction = ViewPrediction(LesionSource.FOUND, 0.6, folds, (2000.0, 1100.0), (candidate,), mask)
    grey = np.linspace(0, 255, 1000 * 812, dtype=np.uint8).reshape(1000, 812)
    return SourceImage(header, ds, Reason.ELIGIBLE, "", prediction, picture=ViewPicture(grey, mirrored=False))


def exam() -> ExamAnswer:
    """The answer of a four-view exam with a lesion in every view."""
    breasts = tuple(BreastDecision(side, 0.6, Risk.HIGH, ("CC", "MLO")) for side in ("R", "L"))
    return ExamAnswer(
        images=tuple(view(n) for n in range(4)),
        decision=Decision(breasts, 0.6, Risk.HIGH, 0.5),
        model=ModelIdentity("bench", "1", "ab" * 32, "upstage", synthetic=True, threshold=0.5, folds=5),
        equipment=Equipment("dcis-node project", "dcis-node", "0", "1"),
        made_at=datetime(2026, 1, 1, tzinfo=UTC),
        inputs_sha256="cd" * 32,
    )


def bare_segmentations(answer: ExamAnswer) -> None:
    """The peer: highdicom's own segmentations of the same masks, without files."""
    for number, image in enumerate(answer.images):
        description = highdicom.seg.SegmentDescription(
            segment_number=1,
            segment_label="calcifications",
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.CalcificationCluster,
            algorithm_type="MANUAL",
        )
        highdicom.seg.Segmentation(
            source_images=[stand_in(image)],
            pixel_array=image.prediction.mask,
            segmentation_type="BINARY",
            segment_descriptions=[description],
            series_instance_uid=f"2.25.7.{number}",
            series_number=1,
            sop_instance_uid=f"2.25.8.{number}",
            instance_number=1,
            manufacturer="peer",
            manufacturer_model_name="peer",
            software_versions="0",
            device_serial_number="0",
        )


def seconds(work: Callable[[], object], repeats: int) -> dict[str, list[float]]:
    """Time a piece of work: wall clock, and the processor time of all threads together (one core's worth)."""
    wall, processor = [], []
    for _ in range(repeats):
        start, start_processor = time.perf_counter(), time.process_time()
        work()
        wall.append(round(time.perf_counter() - start, 4))
        processor.append(round(time.process_time() - start_processor, 4))
    return {"wall": wall, "processor": processor}


def of_profile(answer: ExamAnswer, profile: Profile, repeats: int) -> float:
    """Time what one destination gets: the least processor time."""
    kinds = Destination("", profile).kinds(outlined=True)
    return min(seconds(lambda: build_results(answer, kinds), repeats)["processor"])


def main() -> int:
    """Measure, print, and fail if the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    answer = exam()
    first = seconds(lambda: build_results(answer, EVERY_OBJECT), 1)
    ours = seconds(lambda: build_results(answer, EVERY_OBJECT), arguments.repeats)
    figures = {
        "first_build_and_check_seconds": first,
        "build_and_check_seconds": ours,
        "bar_seconds": BAR_SECONDS,
        "all_kinds_seconds": seconds(lambda: build_results(answer), arguments.repeats),
        "profiles_seconds": {profile.value: of_profile(answer, profile, arguments.repeats) for profile in Profile},
        "peer_highdicom_4_segmentations_seconds": seconds(lambda: bare_segmentations(answer), arguments.repeats),
        "sizes_bytes": [f"{r.kind} {len(r.data)}" for r in build_results(answer)],
        "size_total_bytes": sum(len(r.data) for r in build_results(answer, EVERY_OBJECT)),
        "highdicom": highdicom.__version__,
    }
    if arguments.json:
        print(json.dumps(figures))
    else:
        for name, value in figures.items():
            print(f"{name}: {value}")
    return int(min(ours["processor"]) > BAR_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
