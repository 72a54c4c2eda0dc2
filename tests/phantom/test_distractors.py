from dataclasses import replace

import numpy as np
import pytest

from dcis_node.phantom.distractors import Distractors, add_nodes, add_vessels
from dcis_node.phantom.noise import Window
from dcis_node.phantom.patient import generate_patient
from dcis_node.phantom.view import plan_view, render

SMALL = (704, 576)
NOTHING = Distractors((), (), (), ())


@pytest.fixture(scope="module")
def plans():
    return [plan_view(generate_patient(s, vendor="hologic"), "L", ("CC", "MLO")[s % 2]) for s in range(60)]


def test_views_hold_the_expected_number_of_benign_things(plans):
    assert np.mean([len(p.distractors.vessels) for p in plans]) == pytest.approx(2.2, abs=0.6)
    kinds = {shape.form for p in plans for shape in p.distractors.shapes}
    assert kinds == {"grain", "rim", "rod"}
    assert any(p.distractors.nodes for p in plans)
    calcified = [p for p in plans if sum(s.form == "rod" for s in p.distractors.shapes) > 6]
    assert 0.15 < len(calcified) / len(plans) < 0.75


def test_benign_things_lie_within_the_breast(plans):
    for plan in plans:
        points = np.array([(s.x_mm, s.y_mm) for s in plan.distractors.shapes if s.contrast < 1.5])
        if len(points):
            assert plan.geometry.inside_mm(points).min() > 0.3


def test_distractors_are_in_no_mask():
    plan = plan_view(generate_patient(3, vendor="hologic", laterality="R", size=SMALL), "L", "CC")
    busy, bare = render(plan, plan.frame), render(replace(plan, distractors=NOTHING), plan.frame)
    assert (busy.stored != bare.stored).any()
    assert not busy.calcification_mask.any()


@pytest.mark.parametrize(("side", "first"), [("L", "leftmost"), ("R", "rightmost")])
def test_the_marker_stands_in_air_and_reads_from_left_to_right_as_stored(side, first):
    plan = plan_view(generate_patient(3, vendor="hologic", size=SMALL), side, "MLO")
    marker = plan.distractors.marker
    points = np.array([(s.x_mm, s.y_mm) for s in marker])
    assert plan.geometry.inside_mm(points).max() < 0.0
    assert points[:, 0].max() < plan.geometry.width_mm
    # The first stroke is the stem of the side's letter; a right view is mirrored when it is stored.
    end = points[:, 0].min() if first == "leftmost" else points[:, 0].max()
    assert points[0, 0] == pytest.approx(end, abs=0.01)


@pytest.mark.parametrize("add", ["vessels", "nodes"])
def test_a_window_of_vessels_and_nodes_equals_the_same_place_of_the_whole(add, plans):
    plan = next(p for p in plans if getattr(p.distractors, add))
    whole, part = Window(0, 0, 1664, 1280), Window(301, 113, 700, 800)
    draw = {"vessels": add_vessels, "nodes": add_nodes}[add]
    fields = []
    for window in (whole, part):
        field = np.zeros((window.rows, window.columns), np.float32)
        draw(field, getattr(plan.distractors, add), window=window, pitch_mm=0.14)
        fields.append(field)
    assert fields[0].any()
    assert np.abs(fields[0][301:1001, 113:913] - fields[1]).max() < 1e-4
