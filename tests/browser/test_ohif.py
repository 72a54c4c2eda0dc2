"""What OHIF shows of the results: asserted on the viewer's state and on the pixels of its screen."""

from dataclasses import replace

import numpy as np
import pytest

from dcis_node.mammogram.display import choose, transforms
from dcis_node.model.evidence import BreastDecision, Decision, Risk
from dcis_node.results.exam_results import build_results
from dcis_node.results.profiles import Destination, Profile
from tests.browser.exams import VIEWS, analysed, file_bytes, shown_exam
from tests.browser.screen import changed, coloured, deviation, is_blank, shift
from tests.browser.viewer import READY_SEG, READY_TEXT
from tests.peer_programs import storescu
from tests.results.builders import answer

pytestmark = [pytest.mark.peer, pytest.mark.browser]

BOTH_HIGH = Decision(
    tuple(BreastDecision(side, 0.62, Risk.HIGH, ("CC", "MLO")) for side in ("R", "L")), 0.62, Risk.HIGH, 0.5
)


def store(archive, folder, exam, results):
    """Send an exam and its results by C-STORE."""
    files = {f"image-{n}": file_bytes(ds) for n, ds in enumerate(exam.datasets.values())}
    files |= {f"result-{n}": result.data for n, result in enumerate(results)}
    for name, data in files.items():
        (folder / f"{name}.dcm").write_bytes(data)
    sent = storescu([folder], port=archive.dicom_port, aet=archive.aet, options=["-R"])
    assert sent.returncode == 0, sent.stderr


@pytest.fixture(scope="module")
def outlined(archive, tmp_path_factory):
    """An exam with a lesion in each view, with the results that a destination of profile `generic` gets."""
    exam = shown_exam("BROWSER-1")
    kinds = Destination("", Profile.GENERIC).kinds(outlined=True)
    store(archive, tmp_path_factory.mktemp("outlined"), exam, build_results(answer(analysed(exam), BOTH_HIGH), kinds))
    return exam


@pytest.mark.parametrize("view", VIEWS)
def test_the_segmentation_lies_within_one_pixel_of_the_lesion(view, viewer, outlined, record_property):
    viewer.open_study(outlined.study_uid)
    viewer.open_series(f"RUO SYNTHETIC DCIS outline {view}", READY_SEG)
    assert viewer.image_uid() == outlined.datasets[view].SOPInstanceUID
    with_overlay = viewer.canvas(f"segmentation {view}")
    viewer.set_segmentations(visible=False)
    without_overlay = viewer.canvas(f"segmentation {view} hidden")
    placement = viewer.placement()

    overlay = changed(with_overlay, without_overlay)
    assert (coloured(with_overlay, "cyan") & overlay).sum() > 0.9 * overlay.sum()
    found = deviation(overlay, placement.region(outlined.masks[view]))
    record_property("deviation", found)
    assert found.within(1.0), f"{view}: {found}"
    # The camera that said where the mask belongs has shown the picture itself there, too.
    grey = choose(transforms(outlined.datasets[view])).apply(outlined.datasets[view].pixel_array)
    moved = shift(without_overlay.mean(axis=-1), placement.picture(grey))
    record_property("picture", moved)
    assert np.abs(moved).max() < 0.5, moved
    assert not viewer.faults, viewer.report()


def test_the_readable_report_opens_as_text(viewer, outlined):
    viewer.open_study(outlined.study_uid)
    viewer.open_series("RUO SYNTHETIC DCIS report", READY_TEXT)
    viewer.screenshot("readable report")
    text = viewer.page.inner_text("body")
    assert "RESEARCH USE ONLY - NOT FOR CLINICAL USE" in text
    assert "The probability of high-risk DCIS is 62.0 %, at or above the threshold of 50.0 %" in text
    assert not viewer.faults, viewer.report()
