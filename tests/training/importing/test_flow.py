from training.cohort import CohortView
from training.importing.flow import Fates, flow
from training.importing.patients import PATIENT_REASONS


def test_the_papers_figure_1_comes_out_of_its_counts():
    """606 patients; 111 without a mammogram, 31 of poor quality or with a mass; 464 with 854 images."""
    fates = {f"p{n}": "" for n in range(464)}
    fates |= {f"a{n}": "no_mammogram" for n in range(111)} | {f"b{n}": "poor_quality" for n in range(31)}
    images = [(f"p{n % 464}", "") for n in range(854)] + [(f"b{n}", "") for n in range(31)]
    images += [("p1", "magnification_view")] * 5
    views = [CohortView(f"p{n % 464}", "R", "CC", 1, upstaged=False, mask="m") for n in range(854)]

    steps = [(s.name, s.patients, s.images) for s in flow(Fates(fates, images), views, order=tuple(PATIENT_REASONS))]

    assert steps == [
        ("in the clinical table or among the images", 606, 890),
        ("patients left out: no_mammogram", 495, 890),
        ("patients left out: poor_quality", 464, 859),
        ("images left out: magnification_view", 464, 854),
        ("in the cohort", 464, 854),
        ("with an annotated lesion", 464, 854),
        ("of breasts without a lesion", 0, 0),
    ]


def test_images_without_a_patient_stay_until_their_own_reason_is_counted():
    fates = Fates({"p": "", "q": "lcis"}, [("p", ""), ("q", ""), ("", "no_patient_id")])

    steps = flow(fates, [CohortView("p", "R", "CC", 0, upstaged=False)], order=tuple(PATIENT_REASONS))

    assert [(s.patients, s.images) for s in steps] == [(2, 3), (1, 2), (1, 1), (1, 1), (0, 0), (1, 1)]
