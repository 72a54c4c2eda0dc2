from training.cohort import Exclusion, FlowStep
from training.importing.flow import FIRST, HEALTHY, LAST, LESIONS
from training.report.flow_figure import exclusion_table, flow_figure


def test_the_chart_tells_what_each_reason_took_away():
    steps = [
        FlowStep(FIRST, 606, 1100),
        FlowStep("patients left out: no_mammogram", 495, 900),
        FlowStep("images left out: poor_quality", 464, 854),
        FlowStep(LAST, 464, 854),
        FlowStep(LESIONS, 464, 854),
        FlowStep(HEALTHY, 0, 0),
    ]
    told = flow_figure(steps).alt
    # The paper's Fig. 1: 606 patients, 111 without a mammogram, 31 of poor quality, 464 left.
    assert "no mammogram: 111 patients, 200 images" in told
    assert "poor quality: 31 patients, 46 images" in told
    assert f"{LAST}: 464 patients, 854 images; {LESIONS}: 464 patients, 854 images" in told


def test_a_chart_of_one_step_can_be_drawn():
    assert flow_figure([FlowStep("synthetic patients drawn on demand", 1, 1)]).alt.endswith("1 patient, 1 image.")


def test_steps_without_a_reason_say_how_many_were_left_out():
    assert "left out: 1 patient, 2 images" in flow_figure([FlowStep("all", 3, 6), FlowStep("used", 2, 4)]).alt


def test_exclusions_are_counted_by_reason_the_commonest_first():
    rows = [Exclusion("patient", str(i), "no_mammogram") for i in range(3)] + [Exclusion("image", "a", "under_age")]
    table = exclusion_table(rows)
    assert table is not None
    assert table.groups[0].rows == (("no mammogram", "patient", "3"), ("under age", "image", "1"))
    assert exclusion_table([]) is None
