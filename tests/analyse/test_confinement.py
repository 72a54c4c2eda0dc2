"""What a decoding child cannot do, and what its death costs: one image."""

import ctypes
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dcis_node.analyse import decode
from dcis_node.analyse.confinement import BIND_AND_CONNECT_TCP, RUNNING_AND_WRITING, ruleset
from dcis_node.analyse.decode import decode_pixels
from dcis_node.config import AnalyseSettings
from dcis_node.errors import DecoderError
from tests.analyse.nodes import Node
from tests.analyse.objects import encoded, mammogram
from tests.analyse.poison_child import READY
from tests.peers import wait_until

ROOT = Path(__file__).parents[2]
RETRY = 6.0
PARENT = """
import sys
from pathlib import Path
from dcis_node.analyse import decode
from dcis_node.config import AnalyseSettings
decode.CHILD = "tests.analyse.poison_child"
decode.decode_pixels(Path(sys.argv[1]), AnalyseSettings(), scratch=Path(sys.argv[2]))
"""


@pytest.fixture
def poisonous(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "CHILD", "tests.analyse.poison_child")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def has_landlock() -> bool:
    return "landlock" in Path("/proc/kallsyms").read_text(errors="replace")


def knows_mdwe() -> bool:
    """Ask by PR_GET_MDWE, which changes nothing."""
    return ctypes.CDLL(None).prctl(66, 0, 0, 0, 0) >= 0


@pytest.mark.usefixtures("poisonous")
def test_a_broken_decoder_costs_its_view_two_tries_and_the_others_nothing(node: Node):
    # Enough for the decoder itself on a busy machine; what is to be found out is that an end comes.
    settings = AnalyseSettings(decode_timeout_seconds=8, decode_memory_bytes=1 << 30)
    node.put(settings=settings)
    node.receive(
        mammogram(1, "R CC"),
        mammogram(2, "R MLO", SeriesDescription="segfault"),
        mammogram(3, "L CC", SeriesDescription="eat"),
        mammogram(4, "L MLO", SeriesDescription="hang"),
    )
    for _ in range(3):
        node.work()
        node.clock.now += RETRY
    assert node.instance(1).analysis == "analysed"
    assert [node.instance(number).attempts for number in (1, 2, 3, 4)] == [1, 2, 1, 2]  # memory has no luck
    node.sweep()
    node.work()
    assert node.reasons() == {
        "1.2.3.1": "eligible",
        "1.2.3.2": "pixels_undecodable",
        "1.2.3.3": "pixels_over_limit",
        "1.2.3.4": "analysis_failed",
    }
    assert len(node.reports) == 1
    assert list(node.files.incoming.iterdir()) == []


@pytest.mark.usefixtures("poisonous")
@pytest.mark.skipif(not has_landlock(), reason="the kernel has no Landlock")
def test_a_decoder_cannot_write_remove_run_or_connect(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(encoded(mammogram(1, SeriesDescription="reach out")))
    with pytest.raises(DecoderError, match=rf"code {READY}$"):
        decode_pixels(path, AnalyseSettings(), scratch=tmp_path)


@pytest.mark.skipif(not knows_mdwe(), reason="the kernel has no PR_SET_MDWE (Linux 6.3)")
def test_a_confined_process_makes_no_code():
    make = "import mmap; mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)"
    confined = f"from dcis_node.analyse.confinement import confine; confine()\n{make}"
    assert run_python(make).returncode == 0
    assert "PermissionError" in run_python(confined).stderr


def run_python(script: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)


def test_a_decoder_dies_with_the_worker_that_was_killed(tmp_path: Path):
    path = tmp_path / "file"
    path.write_bytes(encoded(mammogram(1, SeriesDescription="hang")))
    command = [sys.executable, "-c", PARENT, str(path), str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment) as parent:
        wait_until(lambda: confined_child(parent.pid), "the decoder is at work")
        child = confined_child(parent.pid)
        os.kill(parent.pid, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{child}").exists() or state(child) == "Z", "the decoder is gone", seconds=10)


def confined_child(parent: int) -> int:
    """Give the child of a process that has put up its fences, or 0."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if "NoNewPrivs:\t1" in Path(f"/proc/{child}/status").read_text():
            return int(child)
    return 0


def state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


def test_a_decoder_whose_parent_is_gone_already_leaves_at_once():
    script = "from dcis_node.analyse.confinement import die_with_parent; die_with_parent(1); print('still here')"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_no_core_with_a_patients_pixels_is_left():
    script = (
        "import resource\nfrom dcis_node.analyse.limits import DecodeLimits\n"
        "DecodeLimits(1, 1 << 32, 20, 1 << 20).impose()\n"
        "print(resource.getrlimit(resource.RLIMIT_CORE), resource.getrlimit(resource.RLIMIT_NPROC))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["(0,", "0)", "(0,", "0)"]
    assert resource.getrlimit(resource.RLIMIT_NPROC)[1] != 0  # that was the child's own


@pytest.mark.parametrize(("version", "length"), [(1, 8), (3, 8), (4, 16), (7, 16)])
def test_a_ruleset_asks_of_a_kernel_only_what_it_knows(version: int, length: int):
    attributes = ruleset(version)
    assert len(attributes) == length
    handled = int.from_bytes(attributes[:8], sys.byteorder)
    assert handled == sum(bits for since, bits in RUNNING_AND_WRITING.items() if since <= version)
    assert not handled & 0b1100  # reading stays
    assert bool(attributes[8:]) == (version >= min(BIND_AND_CONNECT_TCP))
