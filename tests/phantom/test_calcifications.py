import numpy as np
import pytest

from dcis_node.phantom.calcifications import grow
from dcis_node.phantom.latents import DISTRIBUTIONS, MORPHOLOGIES, LesionLatents
from dcis_node.phantom.patient import generate_patient
from dcis_node.phantom.view import plan_view

CENTRE = (40.0, 5.0, -8.0)


def _lesion(**changes):
    base = {"grade": 2, "upstaged": False, "extent_mm": 20.0, "morphology": "fine_pleomorphic"}
    base |= {"distribution": "grouped", "count": 60, "size_scale": 1.0, "contrast_scale": 1.0}
    return LesionLatents(**(base | changes))


def _grow(seed=0, **changes):
    return grow(np.random.default_rng(seed), _lesion(**changes), centre=CENTRE)


@pytest.mark.parametrize("morphology", MORPHOLOGIES)
@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
def test_every_cluster_has_its_calcifications_round_its_centre(morphology, distribution):
    grown = _grow(morphology=morphology, distribution=distribution)
    places = np.array([c.position for c in grown]) - CENTRE
    assert 40 <= len(grown) <= 120
    assert np.abs(places).max() < 20.0
    assert all(c.width_mm <= c.length_mm * 1.001 for c in grown)
    assert [np.linalg.norm(c.direction) for c in grown] == pytest.approx([1.0] * len(grown))


def test_linear_clusters_are_thin_and_regional_ones_are_not():
    spreads = {}
    for distribution in ("linear", "regional"):
        places = np.array([c.position for c in _grow(distribution=distribution)])
        spreads[distribution] = np.sqrt(np.linalg.eigvalsh(np.cov(places.T)))
    assert spreads["linear"][1] < 0.25 * spreads["linear"][2]
    assert spreads["regional"][1] > 0.5 * spreads["regional"][2]


def test_a_segmental_cluster_points_to_the_nipple():
    places = np.array([c.position for c in _grow(distribution="segmental", count=200)])
    _, vectors = np.linalg.eigh(np.cov(places.T))
    towards = np.array(CENTRE) / np.linalg.norm(CENTRE)
    assert abs(vectors[:, 2] @ towards) > 0.85


def test_only_fine_linear_is_made_of_rods():
    forms = {m: {c.form for c in _grow(morphology=m)} for m in MORPHOLOGIES}
    assert "rod" in forms["fine_linear"]
    assert all("rod" not in f for m, f in forms.items() if m != "fine_linear")
    assert forms["amorphous"] == {"fuzzy"}


def test_the_size_scale_makes_larger_calcifications():
    small, large = (np.mean([c.length_mm for c in _grow(size_scale=s)]) for s in (0.8, 1.6))
    assert large == pytest.approx(2.0 * small)


def test_sizes_seen_in_the_masks_are_those_of_real_hologic_clusters():
    diameters = []
    for seed in range(40):
        patient = generate_patient(seed, vendor="hologic")
        areas = plan_view(patient, patient.lesion_laterality, "CC").lesion_image.areas_px
        diameters += [2.0 * np.sqrt(area / np.pi) * 0.07 for area in areas]
    # 11 real clusters, 205 calcifications: 10/50/90/99 per cent at 0.22/0.36/0.65/1.01 mm.
    assert np.percentile(diameters, [10, 50, 90, 99]) == pytest.approx([0.22, 0.36, 0.65, 1.01], rel=0.35)
