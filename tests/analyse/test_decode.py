import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from pydicom import Dataset
from pydicom.uid import JPEG2000Lossless

from dcis_node.analyse import decode
from dcis_node.analyse.decode import decode_pixels
from dcis_node.analyse.limits import EXIT_CODES, EXIT_MACHINE, DecodeLimits
from dcis_node.config import AnalyseSettings
from dcis_node.errors import DecoderError, MachineError, PixelError
from dcis_node.mammogram.facts import Reason
from tests.analyse.objects import breast_pixels, compressed_garbage, encoded, mammogram

SETTINGS = AnalyseSettings(decode_timeout_seconds=20)
# Enough for Python with numpy, little enough to be reached soon.
TIGHT = AnalyseSettings(decode_timeout_seconds=1, decode_memory_bytes=1 << 30, max_pixels=1_000_000)


def written(folder: Path, data: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(data)
    return path


def decoded(folder: Path, ds: Dataset, settings: AnalyseSettings = SETTINGS):
    return decode_pixels(written(folder, encoded(ds)), settings, scratch=folder)


def misbehave(folder: Path, what: str, monkeypatch: pytest.MonkeyPatch, settings: AnalyseSettings = TIGHT):
    monkeypatch.setattr(decode, "CHILD", "tests.analyse.bad_child")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]))
    return decode_pixels(written(folder, what.encode()), settings, scratch=folder)


def test_stored_pixels_come_back_as_they_were(tmp_path: Path):
    pixels = decoded(tmp_path, mammogram(1, "L CC"))
    np.testing.assert_array_equal(pixels, breast_pixels("L", seed=1))
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_compressed_view_is_decoded_in_the_child(tmp_path: Path):
    ds = mammogram(1, "R CC")
    ds.compress(JPEG2000Lossless, generate_instance_uid=False)
    np.testing.assert_array_equal(decoded(tmp_path, ds), breast_pixels("R", seed=1))


@pytest.mark.parametrize(
    ("ds", "reason"),
    [
        (mammogram(1, PixelData=None), Reason.PIXELS_MISSING),
        (mammogram(1, PixelData=bytes(1000)), Reason.PIXELS_TRUNCATED),
        (mammogram(1, Rows=20000, Columns=20000), Reason.PIXELS_OVER_LIMIT),
        (compressed_garbage(1, "R CC"), Reason.PIXELS_UNDECODABLE),
    ],
    ids=lambda value: value.value if isinstance(value, Reason) else "",
)
def test_pixels_that_cannot_be_had_give_their_reason_for_good(tmp_path: Path, ds: Dataset, reason: Reason):
    with pytest.raises(PixelError) as caught:
        decoded(tmp_path, ds)
    assert caught.value.reason == reason
    assert not isinstance(caught.value, DecoderError)


def test_a_file_cut_in_the_middle_is_truncated(tmp_path: Path):
    data = encoded(mammogram(1))
    with pytest.raises(PixelError) as caught:
        decode_pixels(written(tmp_path, data[: len(data) // 2]), SETTINGS, scratch=tmp_path)
    assert caught.value.reason == Reason.PIXELS_TRUNCATED


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ("abort", Reason.PIXELS_UNDECODABLE),
        ("exit", Reason.PIXELS_UNDECODABLE),
        ("raise", Reason.ANALYSIS_FAILED),
        # What says nothing about the image: `retry` tries it again.
        ("hang", Reason.ANALYSIS_FAILED),
        ("killed", Reason.ANALYSIS_FAILED),
        ("text", Reason.PIXELS_UNDECODABLE),
        ("object", Reason.PIXELS_UNDECODABLE),
        ("float", Reason.PIXELS_UNDECODABLE),
        ("three", Reason.PIXELS_UNDECODABLE),
        ("large", Reason.PIXELS_UNDECODABLE),
        ("short", Reason.PIXELS_UNDECODABLE),
        ("nothing", Reason.PIXELS_UNDECODABLE),
    ],
)
def test_a_decoder_that_misbehaves_costs_a_reason_and_no_more(tmp_path: Path, monkeypatch, what: str, reason: Reason):
    with pytest.raises(DecoderError) as caught:
        misbehave(tmp_path, what, monkeypatch)
    assert caught.value.reason == reason
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_disk_without_room_for_the_pixels_is_no_fault_of_the_file(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(decode.tempfile, "TemporaryFile", lambda **_: Path("/dev/full").open("r+b", buffering=0))  # noqa: SIM115
    with pytest.raises(MachineError, match="too little room"):
        decoded(tmp_path, mammogram(1))


@pytest.mark.parametrize(
    ("number", "code"),
    [("ENOSPC", EXIT_MACHINE), ("EMFILE", EXIT_MACHINE), ("EFBIG", EXIT_CODES["pixels_over_limit"]), ("EIO", 1)],
)
def test_the_child_tells_a_machine_that_is_short_of_something_from_a_file_that_cannot_be_read(number: str, code: int):
    script = (
        "import errno, sys; from dcis_node.analyse import decode_child\n"
        f"def fail(*_): raise OSError(errno.{number}, 'x')\n"
        "decode_child._decode = fail\n"
        "sys.exit(decode_child.main(sys.argv[1:]))"
    )
    limits = DecodeLimits(max_pixels=1, memory_bytes=1 << 32, cpu_seconds=20, output_bytes=1 << 20)
    done = subprocess.run([sys.executable, "-c", script, *limits.to_arguments(), "file"], check=False)
    assert done.returncode == code


def test_more_than_the_child_may_write_is_over_the_limit(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(decode, "BYTES_PER_PIXEL", 0)
    with pytest.raises(PixelError) as caught:
        decoded(tmp_path, mammogram(1))
    assert caught.value.reason == Reason.PIXELS_OVER_LIMIT


def test_a_decoder_that_spins_is_ended_by_the_kernel_even_without_its_parent(tmp_path: Path, monkeypatch):
    began = time.monotonic()
    settings = TIGHT.model_copy(update={"decode_timeout_seconds": 1.0})
    monkeypatch.setattr(decode.subprocess, "run", _without_timeout(decode.subprocess.run))
    with pytest.raises(DecoderError, match="SIGXCPU") as caught:
        misbehave(tmp_path, "spin", monkeypatch, settings)
    assert caught.value.reason == Reason.PIXELS_OVER_LIMIT
    assert time.monotonic() - began < 15


def test_a_decoder_that_computes_too_long_meets_its_limit_before_the_time_out(tmp_path: Path, monkeypatch):
    settings = TIGHT.model_copy(update={"decode_timeout_seconds": 60.0})
    monkeypatch.setattr(decode, "CPU_SHARE", 1 / 60)
    with pytest.raises(DecoderError, match="SIGXCPU"):
        misbehave(tmp_path, "spin", monkeypatch, settings)


def _without_timeout(run):
    return lambda *arguments, **options: run(*arguments, **{**options, "timeout": None})


def test_a_stop_of_the_whole_unit_does_not_end_the_decoder(tmp_path: Path):
    # systemd sends SIGTERM to every process of the unit; the item in hand is to be finished.
    script = (
        "import os, signal, sys; from dcis_node.analyse import decode_child\n"
        "decode_child._decode = lambda *_: os.kill(os.getpid(), signal.SIGTERM) or 10\n"
        "sys.exit(decode_child.main(sys.argv[1:]))"
    )
    limits = DecodeLimits(max_pixels=1, memory_bytes=1 << 32, cpu_seconds=20, output_bytes=1 << 20)
    done = subprocess.run([sys.executable, "-c", script, *limits.to_arguments(), "file"], check=False)
    assert done.returncode == 10


def test_the_limits_cross_the_command_line():
    limits = DecodeLimits(max_pixels=1, memory_bytes=2, cpu_seconds=3, output_bytes=4)
    assert DecodeLimits.from_arguments(limits.to_arguments()) == limits


def test_every_exit_code_stands_for_a_reason_that_is_explained():
    assert {Reason(name) for name in EXIT_CODES} == set(decode.TEXTS)
    assert len(set(EXIT_CODES.values())) == len(EXIT_CODES)
