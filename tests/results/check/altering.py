"""Objects changed behind the builders' backs, and which of the checks each change is caught by."""

import io
from dataclasses import replace
from functools import cache

from pydicom import dcmwrite
from pydicom.config import disable_value_validation

from dcis_node.errors import ResultError
from dcis_node.results.check import results as checks
from dcis_node.results.check.identity import check_identity
from dcis_node.results.check.privacy import check_privacy, telling_of
from dcis_node.results.check.references import check_references, known_objects, uids_of
from dcis_node.results.check.size import check_size
from dcis_node.results.kinds import EVERY_KIND
from tests.results.builders import answer, four_view_results
from tests.results.reading import groups, read


@cache
def the_exam():
    """The answer that all these objects are of."""
    return answer()


def built(kind, number=0):
    """The object of a kind of the four-view exam, or one of those of its views."""
    return [result for result in four_view_results(EVERY_KIND) if result.kind is kind][number]


def rewritten(result, change):
    """A result with its object changed and written again."""
    with disable_value_validation():
        ds = read(result)
        change(ds)
        buffer = io.BytesIO()
        dcmwrite(buffer, ds, enforce_file_format=True)
    return replace(result, data=buffer.getvalue())


def caught_by(result, exam=None):
    """The names of the checks that refuse an object, each asked alone, with what they say."""
    exam = exam or the_exam()
    others = [other for other in four_view_results(EVERY_KIND) if other.sop_instance_uid != result.sop_instance_uid]
    known = known_objects(exam, [*others, result])
    asked = {
        "identity": lambda ds: check_identity(ds, result, exam),
        "privacy": lambda ds: check_privacy(ds, telling_of(exam, uids_of(known))),
        "size": check_size,
        "references": lambda ds: check_references(ds, known),
    }
    of_kind = checks._VIEW_CHECKS.get(result.kind), *checks._EXAM_CHECKS.get(result.kind, ())
    asked |= {check.__name__.removeprefix("check_"): lambda ds, c=check: c(ds, exam) for check in of_kind if check}
    caught = {}
    with disable_value_validation():
        for name, check in asked.items():
            try:
                check(read(result))
            except ResultError as error:
                caught[name] = str(error)
            except (AttributeError, IndexError, KeyError, TypeError, ValueError):
                caught[name] = "lacks what its kind must have"
    return caught


def first_group(ds):
    """The measurement group of the first outlined view."""
    return groups(ds)[0]


def without(item, keep):
    """Take children away from a content item."""
    item.ContentSequence = [child for child in item.ContentSequence if keep(child)]


def of_code(item, value):
    """The children of a content item of that concept."""
    return [c for c in item.ContentSequence if "ConceptNameCodeSequence" in c and _code(c) == value]


def _code(item):
    return item.ConceptNameCodeSequence[0].CodeValue
