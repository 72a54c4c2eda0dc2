import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from pydicom.sr.codedict import codes as public
from pydicom.sr.coding import Code

from dcis_node.mammogram.codes import MODIFIERS, VIEWS
from dcis_node.mammogram.facts import Reason
from dcis_node.model.evidence import Risk
from dcis_node.results import codes, wording

NAMES = [code for synthetic in (True, False) for code in vars(codes.of_model(synthetic=synthetic)).values()]


def all_codes():
    """Every code that the results can use."""
    for value in vars(codes).values():
        if isinstance(value, Code):
            yield value
        elif isinstance(value, Mapping):
            yield from (code for code in value.values() if isinstance(code, Code))
    yield from NAMES


def test_every_reason_every_outcome_and_every_flag_has_a_code_of_its_own():
    assert set(codes.REASONS) == set(Reason)
    assert set(codes.OUTCOMES) == set(Risk)
    assert set(codes.FLAGS) == set(wording.FLAGS)
    private = [*codes.REASONS.values(), *codes.OUTCOMES.values(), *codes.FLAGS.values()]
    assert max(Counter(code.value for code in private).values()) == 1


def test_every_code_fits_its_attributes():
    for code in all_codes():
        assert 0 < len(code.value) <= 16  # Code Value is SH
        assert 0 < len(code.meaning) <= 64  # Code Meaning is LO
        assert code.meaning.isascii()


def test_a_private_value_means_one_thing():
    meanings = {}
    for code in all_codes():
        if code.scheme_designator == codes.PRIVATE_SCHEME and code not in NAMES:
            assert meanings.setdefault(code.value, code.meaning) == code.meaning
    assert len(meanings) > len(Reason)


def test_the_views_and_modifiers_are_read_and_written_with_the_same_codes():
    for name, code in {**codes.VIEW, **codes.VIEW_MODIFIERS}.items():
        assert ({**VIEWS, **MODIFIERS})[code.value] == name
    assert set(codes.VIEW_MODIFIERS) == set(MODIFIERS.values())


def test_the_public_codes_are_those_of_the_standards_dictionaries():
    known = {(code.value, code.scheme_designator) for code in _dictionary()}
    free = {"RFC5646", "UCUM", "UMLS", codes.PRIVATE_SCHEME}
    ours = {(c.value, c.scheme_designator) for c in all_codes() if c.scheme_designator not in free}
    assert ours <= known
    assert len(ours) > 30


def _dictionary():
    for scheme in (public.DCM, public.SCT, public.LN):
        yield from (getattr(scheme, keyword) for keyword in scheme.dir())


MANUAL = Path(__file__).parents[2] / "docs" / "results.md"


def test_every_code_stands_in_the_manual():
    manual = MANUAL.read_text()
    missing = {
        code.value for code in all_codes() if not re.search(rf"(?<![\w-]){re.escape(code.value)}(?![\w-])", manual)
    }
    assert not missing
