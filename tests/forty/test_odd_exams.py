"""Twenty odd exams: the objects of every profile before judges that we did not write."""

import pytest

from tests.forty.cases import ODD
from tests.forty.running import Outcome, run_all

# All exams are made and judged in the first test: minutes, where the machine is shared.
pytestmark = [pytest.mark.peer, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory, ensemble) -> dict[str, Outcome]:
    return run_all(ODD, tmp_path_factory.mktemp("odd"), ensemble)


@pytest.fixture(params=ODD, ids=lambda case: case.name)
def case(request):
    return request.param


def test_no_judge_finds_an_error(case, outcomes):
    assert outcomes[case.name].findings == ()


def test_the_exam_is_answered_as_it_should_be(case, outcomes):
    outcome = outcomes[case.name]
    assert outcome.failures == ()
    assert outcome.versions == tuple(range(1, case.versions + 1))
    assert outcome.risk == (case.risk or outcome.risk)


def test_every_kind_of_object_is_made_of_it(case, outcomes):
    always = {"readable_report", "cad_report", "summary_image"}
    drawn = {"measurement_report", "view_measurement_report", "segmentation", "presentation_state"}
    kinds = outcomes[case.name].kinds - {"measurement_report_comprehensive"}
    assert kinds in (always, always | drawn)
