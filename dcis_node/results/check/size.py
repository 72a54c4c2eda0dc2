"""The pixels of an object are as many as it says."""

from pydicom import Dataset

from dcis_node.results.check.reading import demand


def check_size(ds: Dataset) -> None:
    """Hold the length of Pixel Data to the attributes that describe it; an object without pixels passes.

    All results are stored uncompressed, so the length is exact but for one byte of padding (PS3.5 8.1.1, 8.2).

    Raises
    ------
    ResultError
        If they disagree.
    """
    if "PixelData" not in ds and "Rows" not in ds:
        return
    frames = int(ds.get("NumberOfFrames", 1) or 1)
    bits = ds.Rows * ds.Columns * ds.SamplesPerPixel * ds.BitsAllocated * frames
    size = -(-bits // 8)
    demand(size > 0 and len(ds.PixelData) == size + size % 2, "an object has not the pixels that it tells of")
