import numpy as np
import pytest

from dcis_node.phantom.geometry import place_breast
from dcis_node.phantom.latents import sample_breasts

FRAMES = [(233.0, 179.2), (288.1, 225.3), (49.3, 40.3)]


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("view", ["CC", "MLO"])
@pytest.mark.parametrize("frame", FRAMES)
def test_a_breast_fits_its_frame(seed, view, frame):
    height, width = frame
    g = place_breast(sample_breasts(np.random.default_rng(seed))[0], view, height_mm=height, width_mm=width)
    assert g.outline[:, 0].max() < 0.93 * width
    seen = g.outline[g.outline[:, 0] > 0]
    assert seen[:, 1].max() < height + 1.0
    assert 0 < g.nipple[1] < height


def test_distance_to_the_skin_is_positive_inside_and_grows_inwards():
    g = place_breast(sample_breasts(np.random.default_rng(1))[0], "CC", height_mm=233.0, width_mm=179.2)
    line = np.column_stack((g.nipple[0] - np.array([-10.0, 5.0, 20.0, 40.0]), np.full(4, g.nipple[1])))
    distances = g.inside_mm(line)
    assert distances[0] < 0 < distances[1]
    assert np.all(np.diff(distances) > 0)


def test_a_point_has_the_same_depth_behind_the_nipple_in_both_views():
    breast = sample_breasts(np.random.default_rng(2))[0]
    point = np.array([[31.0, 12.0, -7.0]])
    depths = []
    for view in ("CC", "MLO"):
        g = place_breast(breast, view, height_mm=233.0, width_mm=179.2)
        depths.append(g.nipple[0] - g.project(point)[0, 0])
    assert depths == pytest.approx([31.0, 31.0])


def test_lateral_is_up_in_cc_and_head_is_up_in_mlo():
    breast = sample_breasts(np.random.default_rng(2))[0]
    cc, mlo = (place_breast(breast, v, height_mm=233.0, width_mm=179.2) for v in ("CC", "MLO"))
    lateral, up = np.array([[30.0, 20.0, 0.0]]), np.array([[30.0, 0.0, 20.0]])
    assert cc.project(lateral)[0, 1] < cc.nipple[1]
    assert cc.project(up)[0, 1] == pytest.approx(cc.nipple[1])
    assert mlo.project(up)[0, 1] < mlo.nipple[1]


def test_only_the_mlo_shows_the_muscle_and_it_lies_at_the_upper_chest_wall():
    breast = sample_breasts(np.random.default_rng(3))[0]
    cc, mlo = (place_breast(breast, v, height_mm=233.0, width_mm=179.2) for v in ("CC", "MLO"))
    corner, nipple = np.array([[1.0, 1.0]]), np.array([mlo.nipple])
    assert cc.pectoral is None
    assert cc.pectoral_mm(corner)[0] < 0
    assert mlo.pectoral_mm(corner)[0] > 5
    assert mlo.pectoral_mm(nipple)[0] < 0
