"""What systemd itself says of our units: they verify, and their score is at its bar."""

import re

import pytest

from tests.systemd.units import CPU_BAR, GPU_BAR, ROOT, UNITS, analyse, exposure, lay_out, names, services

GPU = (UNITS / "dcis-node.service.d/gpu.conf.example").read_text(encoding="utf-8")
SITE = (UNITS / "dcis-node.service.d/site.conf.example").read_text(encoding="utf-8")
ORTHANC = "/lib/systemd/system/orthanc.service"


@pytest.fixture
def host(tmp_path):
    return lay_out(tmp_path)


def test_every_file_of_the_issue_is_there():
    wanted = {"dcis-node.service", "dcis-node-backup.service", "dcis-node-backup.timer", "dcis-train@hospital.service"}
    assert wanted <= set(names())
    assert {"dcis-node@receive.service", "dcis-node@analyse.service", "dcis-node@clock.service"} <= set(names())


@pytest.mark.peer
@pytest.mark.parametrize("name", services())
def test_a_service_on_the_processor_is_at_most_1_0(host, name):
    assert exposure(host / name) <= CPU_BAR


@pytest.mark.peer
@pytest.mark.parametrize("unit", ["dcis-node.service", "dcis-node@analyse.service", "dcis-train@hospital.service"])
def test_a_service_with_a_gpu_is_at_most_1_3(tmp_path, unit):
    host = lay_out(tmp_path, more={unit: GPU})
    with_gpu = exposure(host / unit)
    assert with_gpu <= GPU_BAR
    assert with_gpu > exposure(lay_out(_other(tmp_path)) / unit)  # the drop-in was read


@pytest.mark.peer
def test_a_site_that_names_its_peers_stays_at_the_bar(tmp_path):
    host = lay_out(tmp_path, more={"dcis-node.service": SITE})
    assert exposure(host / "dcis-node.service") <= CPU_BAR


@pytest.mark.peer
def test_the_score_can_be_missed(tmp_path):
    open_to_all = (
        "[Service]\nNoNewPrivileges=no\nPrivateUsers=no\nRootDirectory=\nProtectSystem=no\nSystemCallFilter=\n"
    )
    host = lay_out(tmp_path, more={"dcis-node.service": open_to_all})
    assert exposure(host / "dcis-node.service") > CPU_BAR


@pytest.mark.peer
def test_debians_orthanc_is_far_above():
    assert exposure(ROOT.joinpath(ORTHANC)) > 9.0


@pytest.mark.peer
def test_the_units_verify(tmp_path):
    host = lay_out(tmp_path)
    _with_programs(host)
    answer = analyse("verify", "--man=no", "--recursive-errors=no", *(str(host / name) for name in names()))
    assert answer.stdout + answer.stderr == ""
    assert answer.returncode == 0


@pytest.mark.peer
def test_a_mistake_in_a_unit_would_be_told(tmp_path):
    host = lay_out(tmp_path, more={"dcis-node.service": "[Service]\nProtectSistem=strict\n"})
    _with_programs(host)
    answer = analyse("verify", "--man=no", "--recursive-errors=no", str(host / "dcis-node.service"))
    assert "ProtectSistem" in answer.stderr


def test_no_unit_of_training_promotes():
    lines = _lines("dcis-train@.service")
    verbs = [re.search(r"dcis-train (\w+)", line) for line in lines if line.startswith("ExecStart=")]
    assert [verb[1] for verb in verbs if verb] == ["fit", "bundle", "evaluate", "report", "publish", "compare"]


def test_the_verbs_of_the_units_exist():
    from dcis_node.cli import app as node  # noqa: PLC0415
    from training.cli import app as train  # noqa: PLC0415

    known = {
        "dcis-node": {command.name or command.callback.__name__ for command in node.registered_commands},
        "dcis-train": {command.name or command.callback.__name__ for command in train.registered_commands},
    }
    used = {
        match.groups()
        for path in UNITS.glob("*.service")
        for match in re.finditer(r"^ExecStart=\S*/(dcis-node|dcis-train) ([a-z-]+)", path.read_text("utf-8"), re.M)
    }
    assert used
    assert all(verb in known[program] for program, verb in used), used


def test_the_supervisor_has_time_to_stop_its_children():
    from dcis_node.operate.supervisor import STOP_SECONDS  # noqa: PLC0415

    (seconds,) = [line.partition("=")[2] for line in _lines("dcis-node.service") if line.startswith("TimeoutStopSec")]
    assert int(seconds) > STOP_SECONDS


def test_the_decoding_childs_landlock_is_let_through_the_filter():
    for path in UNITS.glob("*.service"):
        lines = [line for line in path.read_text("utf-8").splitlines() if line.startswith("SystemCallFilter=@")]
        assert all("landlock_restrict_self" in line for line in lines), path.name
        assert lines, path.name


def _lines(name):
    return (UNITS / name).read_text(encoding="utf-8").replace("\\\n", " ").splitlines()


def _other(tmp_path):
    folder = tmp_path / "other"
    folder.mkdir()
    return folder


def _with_programs(host):
    """The programs of an installation are not on this machine: let the units name one that is."""
    for path in host.glob("*.service"):
        path.write_text(re.sub(r"/opt/dcis-node/bin/dcis-\w+", "/bin/true", path.read_text("utf-8")), encoding="utf-8")
