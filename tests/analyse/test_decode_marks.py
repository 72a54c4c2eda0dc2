from pathlib import Path

import numpy as np
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, JPEGLSLossless, RLELossless

from dcis_node.analyse import decode_marks as module
from dcis_node.analyse.decode_marks import decode_marks
from dcis_node.analyse.exam_marks import read_exam_marks
from dcis_node.analyse.limits import DecodeLimits
from dcis_node.errors import DecoderError
from dcis_node.mammogram.facts import Mark
from dcis_node.mammogram.marks import read_marks
from dcis_node.mammogram.marks_seg import is_compressed
from storage.exams import exam_instances
from tests.analyse.nodes import Node
from tests.analyse.objects import encoded, mammogram, reread
from tests.analyse.segmentations import segmentation

BOX = (100, 60, 121, 91)
MARK = Mark("1.2.3.1", 110.0, 75.0, "seg", "1.2.3.7")
ENCODINGS = [
    ("BINARY", JPEG2000Lossless),
    ("FRACTIONAL", JPEG2000Lossless),
    ("FRACTIONAL", JPEGLSLossless),
    ("FRACTIONAL", RLELossless),
]


def written(folder: Path, data: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("kind", "syntax"), [*ENCODINGS, ("BINARY", ExplicitVRLittleEndian)])
def test_a_segmentation_of_every_encoding_gives_the_middle_of_its_outline(kind, syntax):
    ds = reread(encoded(segmentation(7, mammogram(1), box=BOX, kind=kind, syntax=syntax)))
    assert read_marks(ds) == (MARK,)
    assert is_compressed(ds) == (syntax is not ExplicitVRLittleEndian)


def test_the_child_gives_the_same_marks(tmp_path: Path):
    data = encoded(segmentation(7, mammogram(1), box=BOX, syntax=JPEG2000Lossless))
    assert decode_marks(written(tmp_path, data), source_uid="1.2.3.7", scratch=tmp_path) == (MARK,)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_the_node_reads_a_compressed_segmentation_in_the_child_once(node: Node, monkeypatch):
    node.receive(mammogram(1), segmentation(7, mammogram(1), box=BOX, syntax=JPEG2000Lossless))
    with node.db.read() as session:
        carriers = exam_instances(session, 1)
    monkeypatch.setattr("dcis_node.mammogram.marks_seg.decode_frame", None)
    assert read_exam_marks(carriers, node.files) == (MARK,)
    monkeypatch.setattr("dcis_node.analyse.exam_marks.decode_marks", None)
    assert read_exam_marks(carriers, node.files) == (MARK,)


def hostile(stream: bytes):
    ds = segmentation(7, mammogram(1), box=BOX, syntax=JPEG2000Lossless)
    ds.PixelData = encapsulate([stream])
    return ds


NOISE = np.random.default_rng(1).integers(0, 256, 4000, np.uint8).tobytes()


@pytest.mark.usefixtures("fast_decode")
@pytest.mark.parametrize("stream", [b"\xff\x4f\xff\x51" + NOISE, NOISE], ids=["noise", "no_stream"])
def test_a_segmentation_that_cannot_be_decoded_marks_nothing_and_costs_nothing(node: Node, stream: bytes):
    node.report(mammogram(1), mammogram(2, "R MLO"), hostile(stream))
    assert [view["lesion"] for view in node.reports[0].views] == ["found", "found"]


@pytest.mark.parametrize("what", ["abort", "spin", "eat", "flood", "text", "object", "exit", "nothing"])
def test_a_decoder_that_misbehaves_costs_an_error_and_no_more(tmp_path: Path, monkeypatch, what: str):
    monkeypatch.setattr(module, "CHILD", "tests.analyse.bad_child")
    monkeypatch.setattr(
        module, "LIMITS", DecodeLimits(max_pixels=1, memory_bytes=1 << 30, cpu_seconds=1, output_bytes=1 << 16)
    )
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with pytest.raises(DecoderError):
        decode_marks(written(tmp_path, what.encode()), source_uid="1.2.3.7", scratch=tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    "answer",
    ["{}", "[1]", "[[1, 2.0, 3.0]]", '[["1.2", 1, 2.0]]', '[["1.2", NaN, 2.0]]', '[["1.2", 1e999, 2.0]]', '[["1.2"]]',
     "[" * 100_000, str([["1.2", 1.0, 2.0]] * 300).replace("'", '"'), "null", '[["1.2", true, false]]'],
)  # fmt: skip
def test_an_answer_of_the_child_that_is_no_list_of_marks_is_refused(tmp_path: Path, monkeypatch, answer: str):
    monkeypatch.setattr(module, "CHILD", "tests.analyse.echo_child")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    with pytest.raises(DecoderError):
        decode_marks(written(tmp_path, answer.encode()), source_uid="1.2.3.7", scratch=tmp_path)
