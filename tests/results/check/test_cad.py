"""Each thing that the CAD report must have or must not say, altered: its check refuses it."""

from copy import deepcopy

import pytest

from dcis_node.mammogram.facts import Reason
from dcis_node.results.kinds import ResultKind
from tests.results.builders import NOT_ANALYSED, NOTHING, answer, four_views, image, mask_of, refused, results_of
from tests.results.check.altering import built, caught_by, of_code, rewritten, without
from tests.results.reading import items, name, read

CAD = frozenset({ResultKind.CAD_REPORT})


def library(ds):
    (container,) = of_code(ds, "111028")
    return container


def marks(ds):
    return [item for item in items(ds) if "ConceptNameCodeSequence" in item and name(item).CodeValue == "111059"]


def part(item, value):
    (found,) = of_code(item, value)
    return found


def set_code(item, value):
    item.ConceptCodeSequence[0].CodeValue = value


def on_the_first_mark(change):
    return lambda ds: change(marks(ds)[0])


def moved(value, by):
    def change(mark):
        region = part(mark, value)
        region.GraphicData = [float(v) + by for v in region.GraphicData]

    return on_the_first_mark(change)


def points_at(value, path):
    def change(mark):
        part(mark, value).ContentSequence[0].ReferencedContentItemIdentifier = path

    return on_the_first_mark(change)


def says_cancer(mark):
    figure = deepcopy(part(mark, "111012"))
    figure.ConceptNameCodeSequence[0].CodeValue = "111047"
    mark.ContentSequence.append(figure)


def figure(value, number):
    return on_the_first_mark(lambda mark: setattr(part(mark, value).MeasuredValueSequence[0], "NumericValue", number))


def drop_impression(ds):
    summary = part(ds, "111017")
    summary.ContentSequence = list(summary.ContentSequence)[:-1]


def performed(ds):
    return part(part(part(ds, "111064"), "111063"), "111022")


def fail_a_view(ds):
    group = deepcopy(part(part(ds, "111064"), "111063"))
    group.ConceptNameCodeSequence[0].CodeValue = "111025"
    part(ds, "111064").ContentSequence.append(group)


def drop_from_root(value):
    return lambda ds: without(ds, lambda c: c not in of_code(ds, value))


def drop_from_mark(value):
    return on_the_first_mark(lambda mark: without(mark, lambda c: c not in of_code(mark, value)))


CHANGES = {
    "another title": lambda ds: setattr(ds.ConceptNameCodeSequence[0], "CodeValue", "111037"),
    "another template": lambda ds: setattr(ds.ContentTemplateSequence[0], "TemplateIdentifier", "4100"),
    "no language": drop_from_root("121049"),
    "no summary of analyses": drop_from_root("111065"),
    "a view not in the library": lambda ds: setattr(library(ds), "ContentSequence", library(ds).ContentSequence[:3]),
    "a view twice in the library": lambda ds: library(ds).ContentSequence.append(library(ds).ContentSequence[0]),
    "another breast": lambda ds: set_code(part(library(ds).ContentSequence[0], "111027"), "80248007"),
    "another view": lambda ds: set_code(part(library(ds).ContentSequence[0], "111031"), "399368009"),
    "a probability of cancer": on_the_first_mark(says_cancer),
    "another finding": on_the_first_mark(lambda mark: set_code(mark, "129770007")),
    "a mark that need not be shown": on_the_first_mark(lambda mark: set_code(part(mark, "111056"), "111151")),
    "no rendering intent": drop_from_mark("111056"),
    "no center": drop_from_mark("111010"),
    "no outline": drop_from_mark("111041"),
    "no algorithm": drop_from_mark("111003"),
    "not for research only": on_the_first_mark(lambda mark: setattr(part(mark, "111001"), "TextValue", "dcis-demo")),
    "a center beside the outline": moved("111010", 30),
    "a center outside the image": moved("111010", -40),
    "an outline beside the mask": moved("111041", 3),
    "a center drawn as a line": on_the_first_mark(lambda m: setattr(part(m, "111010"), "GraphicType", "MULTIPOINT")),
    "a center on another image": points_at("111010", [1, 2, 2]),
    "an outline of the library itself": points_at("111041", [1, 2]),
    "an outline of nothing": points_at("111041", [1, 2, 9]),
    "the grade's figure as certainty": figure("111012", 60),
    "another count": figure("111038", 15),
    "no certainty": drop_from_mark("111012"),
    "an outlined view without a mark": drop_impression,
    "nothing found, with marks": lambda ds: set_code(part(ds, "111017"), "111241"),
    "a part failed, with none that did": lambda ds: set_code(part(ds, "111064"), "111223"),
    "not attempted, but analysed": lambda ds: set_code(part(ds, "111064"), "111225"),
    "an unknown status": lambda ds: set_code(part(ds, "111064"), "111226"),
    "analyses that are not done": lambda ds: set_code(part(ds, "111065"), "111222"),
    "a view whose detection is not told": lambda ds: performed(ds).ContentSequence.pop(),
    "a view that failed and succeeded": fail_a_view,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_report_is_refused(change):
    assert "cad" in caught_by(rewritten(built(ResultKind.CAD_REPORT), CHANGES[change]))


def test_what_was_built_passes():
    assert caught_by(rewritten(built(ResultKind.CAD_REPORT), lambda ds: None)) == {}


def test_a_center_in_the_hollow_of_a_bent_piece_is_refused():
    exam = answer([image(mask=mask_of((30, 20, 60, 24), (56, 20, 60, 50)))])
    (report,) = results_of(exam.images, kinds=CAD)
    assert "cad" not in caught_by(report, exam)

    def hollow(ds):
        part(marks(ds)[0], "111010").GraphicData = [40.5, 40.5]

    assert "lies on no outlined pixel" in caught_by(rewritten(report, hollow), exam)["cad"]


@pytest.mark.parametrize(
    ("images", "decision"),
    [
        ([image(box=None)], NOTHING),
        ([refused(reason=Reason.PIXELS_TRUNCATED)], NOT_ANALYSED),
        ([refused()], NOT_ANALYSED),
        ([*four_views(), refused("R", "XCCL", number=9)], None),
    ],
)
def test_a_report_cannot_claim_another_outcome(images, decision):
    exam = answer(images, decision) if decision else answer(images)
    (report,) = results_of(images, exam.decision, kinds=CAD)
    assert "cad" not in caught_by(report, exam)
    status = str(part(read(report), "111064").ConceptCodeSequence[0].CodeValue)
    for other in {"111222", "111223", "111224", "111225"} - {status}:
        changed = rewritten(report, lambda ds, other=other: set_code(part(ds, "111064"), other))
        assert "cad" in caught_by(changed, exam)
