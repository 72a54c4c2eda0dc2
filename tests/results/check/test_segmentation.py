import pytest

from dcis_node.results.kinds import ResultKind
from tests.results.builders import STUDY
from tests.results.check.altering import built, caught_by, rewritten

SEGMENTATION = ResultKind.SEGMENTATION


def flip_bit(ds):
    pixels = bytearray(ds.PixelData)
    pixels[100] ^= 1
    ds.PixelData = bytes(pixels)


def reference(ds):
    return ds.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0]


def source(ds):
    return ds.PerFrameFunctionalGroupsSequence[0].DerivationImageSequence[0].SourceImageSequence[0]


@pytest.mark.parametrize(
    ("change", "words", "others"),
    [
        (flip_bit, "another mask", set()),
        (lambda ds: setattr(ds, "Rows", 90) or setattr(ds, "Columns", 120), "another size", set()),
        (
            lambda ds: setattr(reference(ds), "ReferencedSOPInstanceUID", "2.25.404"),
            "no analysed image",
            {"references"},
        ),
        (
            lambda ds: setattr(ds.ReferencedSeriesSequence[0], "SeriesInstanceUID", "2.25.404"),
            "another series",
            {"references"},
        ),
        (lambda ds: setattr(source(ds), "ReferencedSOPInstanceUID", f"{STUDY}.3"), "two source images", set()),
    ],
)
def test_an_altered_segmentation_is_caught(change, words, others):
    caught = caught_by(rewritten(built(SEGMENTATION), change))
    assert words in caught.pop("segmentation")
    assert caught.keys() == others


def test_what_was_built_passes_every_check():
    assert caught_by(rewritten(built(SEGMENTATION), lambda ds: None)) == {}
