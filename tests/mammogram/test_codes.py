"""The code tables against pydicom's dictionaries of PS3.16."""

import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts
from pydicom.sr._snomed_dict import mapping

from dcis_node.mammogram.codes import MODIFIERS, SIDES, VIEWS, snomed_value
from dcis_node.mammogram.facts import Laterality

from .builders import code


def members(group):
    return {next(iter(concepts["SCT"][name])): name for name in cid_concepts[group]["SCT"]}


@pytest.mark.parametrize(("group", "table"), [(4014, VIEWS), (4015, MODIFIERS)])
def test_every_code_of_the_context_group_is_known_in_both_generations(group, table):
    sct = members(group)
    assert {value for value in table if value.isdigit()} == set(sct)
    assert {value for value in table if not value.isdigit()} == {mapping["SCT"][value] for value in sct}
    assert all(table[value] == table[mapping["SCT"][value]] for value in sct)


def test_each_modifier_is_named_after_its_concept():
    named = {value: "".join(word.title() for word in name.split("_")) for value, name in MODIFIERS.items()}
    concept_names = {value: name.replace("InfraMammary", "Inframammary") for value, name in members(4015).items()}
    assert {value: named[value] for value in concept_names} == concept_names


@pytest.mark.parametrize(
    ("view", "concept"),
    [
        ("CC", "CranioCaudal"),
        ("MLO", "MedioLateralObliqueProjection"),
        ("ML", "MedioLateralProjection"),
        ("LM", "LateroMedial"),
        ("LMO", "LateroMedialOblique"),
        ("XCCL", "CranioCaudalExaggeratedLaterally"),
        ("XCCM", "CranioCaudalExaggeratedMedially"),
        ("FB", "CaudoCranial"),
        ("SIO", "SuperolateralToInferomedialOblique"),
        ("ISO", "InferomedialToSuperolateralOblique"),
        ("SPECIMEN", "TissueSpecimenFromBreast"),
    ],
)
def test_each_view_is_named_after_its_concept(view, concept):
    assert [name for value, name in members(4014).items() if VIEWS[value] == view] == [concept]


def test_the_sides_are_those_of_the_dictionary():
    for name, side in {"Left": "L", "LeftBreast": "L", "Right": "R", "RightBreast": "R"}.items():
        value = next(iter(concepts["SCT"][name]))
        assert SIDES[value] is SIDES[mapping["SCT"][value]] is Laterality(side)


def test_only_snomed_codes_are_read():
    assert snomed_value(code("r-10242", "SRT", "cc")) == "R-10242"
    assert snomed_value(code("R-10242", "99LOCAL", "cc")) == ""
