"""Profiles: which objects a destination gets, and that the manual, config.toml and the SOP classes say the same."""

from pathlib import Path
from typing import get_args

import pytest
from pydicom.uid import ExplicitVRLittleEndian

from dcis_node.config import DestinationSettings
from dcis_node.results.kinds import SOP_CLASS_UIDS, ResultKind
from dcis_node.results.profiles import TABLE, Destination, Profile, When, kinds_to_build
from tests.results.builders import NOTHING, answer, image, results_of

MANUAL = Path(__file__).parents[2] / "docs" / "profiles.md"
ROWS = {
    ResultKind.READABLE_REPORT: "readable report",
    ResultKind.MEASUREMENT_REPORT: "measurement report",
    ResultKind.VIEW_MEASUREMENT_REPORT: "measurement reports, one per view",
    ResultKind.SEGMENTATION: "segmentations",
    ResultKind.PRESENTATION_STATE: "presentation states",
    ResultKind.CAD_REPORT: "Mammography CAD SR",
    ResultKind.SUMMARY_IMAGE: "summary image",
}


MEASUREMENTS = {ResultKind.MEASUREMENT_REPORT, ResultKind.VIEW_MEASUREMENT_REPORT}


def as_manual():
    """Write the table as the manual has it."""
    lines = ["| object | " + " | ".join(f"`{profile}`" for profile in TABLE) + " |", "|---" * (len(TABLE) + 1) + "|"]
    for kind, name in ROWS.items():
        cells = (TABLE[profile][kind] for profile in TABLE)
        lines.append(f"| {name} | " + " | ".join(f"**{cell.when}**: {cell.why}" for cell in cells) + " |")
    return "\n".join(lines)


def test_the_manual_holds_the_very_table():
    assert as_manual() in MANUAL.read_text(encoding="utf-8")


def test_config_toml_names_the_same_profiles():
    assert set(get_args(DestinationSettings.model_fields["profile"].annotation)) == set(Profile) == set(TABLE)


@pytest.mark.parametrize("profile", Profile)
def test_every_profile_says_something_of_every_kind(profile):
    assert set(TABLE[profile]) == set(ROWS) == set(ResultKind) - {ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE}
    assert all(cell.why for cell in TABLE[profile].values())


@pytest.mark.parametrize("profile", Profile)
def test_text_and_figures_go_everywhere_and_the_picture_wherever_nothing_was_outlined(profile):
    destination = Destination("d", profile)
    for outlined in (True, False):
        kinds = destination.kinds(outlined=outlined)
        assert ResultKind.READABLE_REPORT in kinds
        # OHIF alone gets a report for each view, and it instead of the whole one.
        (figures,) = kinds & MEASUREMENTS
        assert (figures is ResultKind.VIEW_MEASUREMENT_REPORT) == (profile is Profile.OHIF)
    assert ResultKind.SUMMARY_IMAGE in destination.kinds(outlined=False)
    assert destination.kinds(outlined=True) | destination.kinds(outlined=False) == destination.every_kind


def test_the_picture_comes_without_need_only_where_no_viewer_shows_the_reports():
    sent = {profile for profile in Profile if TABLE[profile][ResultKind.SUMMARY_IMAGE].when is When.SENT}
    assert sent == {Profile.GENERIC, Profile.MAMMO_WORKSTATION}


@pytest.mark.parametrize("outlined", [True, False])
@pytest.mark.parametrize("profile", Profile)
def test_by_the_switch_one_comprehensive_sr_takes_the_place_of_the_measurement_reports(profile, outlined):
    plain = Destination("d", profile).kinds(outlined=outlined)
    switched = Destination("d", profile, comprehensive=True).kinds(outlined=outlined)
    assert plain - switched == plain & MEASUREMENTS
    assert switched - plain == {ResultKind.MEASUREMENT_REPORT_COMPREHENSIVE}


def test_what_any_destination_wants_is_built_and_for_none_what_generic_shows():
    both = (Destination("a", Profile.OHIF), Destination("b", Profile.MAMMO_WORKSTATION, comprehensive=True))
    assert kinds_to_build(both, outlined=True) == both[0].kinds(outlined=True) | both[1].kinds(outlined=True)
    assert kinds_to_build((), outlined=True) == Destination("c").kinds(outlined=True)


@pytest.mark.parametrize("images", [(image(),), (image(box=None),)], ids=["outlined", "nothing found"])
def test_every_object_is_of_the_class_and_syntax_that_check_asks_the_peers_for(images):
    outlined = images[0].outlined
    results = results_of(images, kinds=frozenset(ResultKind)) if outlined else results_of(
        images, NOTHING, kinds=frozenset(ResultKind)
    )  # fmt: skip
    assert {r.kind: r.sop_class_uid for r in results} == {r.kind: SOP_CLASS_UIDS[r.kind] for r in results}
    assert {r.transfer_syntax_uid for r in results} == {ExplicitVRLittleEndian}
    assert answer(images).outlined is outlined
