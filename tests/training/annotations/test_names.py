import pytest

from training.annotations.names import is_biopsied, label_of


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("Lesion region", 1),
        ("DCIS", 1),
        ("Cluster 2", 1),
        ("calcified region", 1),
        ("Cluster of microcalcifications", 1),
        ("ROI_3", 1),
        ("biopsied", 1),
        ("Segment_1", 1),
        ("Segment 12", 1),
        ("", 1),
        ("mask", 1),
        ("Calcifications", 2),
        ("micro-calc", 2),
        ("MC", 2),
        ("biopsied calcs", 2),
        ("Mikroverkalkung", 2),
        ("nipple", None),
        ("pectoral muscle", None),
        ("vascular calcification", None),
        ("benign cluster", None),
        ("no_lesion", None),
        ("Muster^Anna", None),
    ],
)
def test_a_name_says_what_the_segment_is(name, label):
    assert label_of(name) == label


def test_a_coded_type_says_it_better_than_a_name():
    assert label_of("calcifications L CC", code="129769006") == 1
    assert label_of("region", code="129770007") == 2
    assert label_of("calcifications", code="85756007", meaning="Tissue") == 2


def test_of_a_default_name_the_meaning_of_the_type_counts():
    assert label_of("Segment_2", code="x", meaning="Individual calcification") == 2
    assert label_of("Segment_2", code="x", meaning="Tissue") == 1
    assert label_of("Segment_2", code="129759000", meaning="Vascular calcification") is None


def test_a_biopsied_part_is_known_by_its_name():
    assert is_biopsied("Cluster 1 (BIOPSIED)")
    assert is_biopsied("Biopt gebied")
    assert not is_biopsied("Cluster 1")
