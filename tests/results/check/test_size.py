import pytest

from dcis_node.results.kinds import ResultKind
from tests.results.check.altering import built, caught_by, rewritten


@pytest.mark.parametrize("kind", [ResultKind.SEGMENTATION, ResultKind.SUMMARY_IMAGE])
@pytest.mark.parametrize("by", [-2, 2])
def test_pixels_of_another_number_than_is_told_are_caught(kind, by):
    def change(ds):
        ds.PixelData = ds.PixelData[:by] if by < 0 else ds.PixelData + bytes(by)

    assert "not the pixels that it tells of" in caught_by(rewritten(built(kind), change))["size"]


@pytest.mark.parametrize("keyword", ["Rows", "Columns", "SamplesPerPixel", "BitsAllocated"])
def test_a_size_that_is_told_otherwise_is_caught(keyword):
    def change(ds):
        setattr(ds, keyword, getattr(ds, keyword) * 2)

    assert "size" in caught_by(rewritten(built(ResultKind.SUMMARY_IMAGE), change))


def test_a_report_has_no_pixels_to_count():
    assert "size" not in caught_by(built(ResultKind.READABLE_REPORT))


def test_a_size_without_pixels_is_caught():
    assert "size" in caught_by(rewritten(built(ResultKind.SUMMARY_IMAGE), lambda ds: delattr(ds, "PixelData")))
