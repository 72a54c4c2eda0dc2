"""`send` and `echo` reach a destination of config.toml as the courier does: AE titles, TLS, syntaxes."""

import json

import pytest
from typer.testing import CliRunner

from dcis_node.cli import app
from tests.deliver.helpers import dicom_file
from tests.peers import StoragePeer, black_hole


@pytest.fixture
def config(tmp_path):
    def write(port, **keys):
        lines = {"name": "pacs", "host": "127.0.0.1", "port": port, "aet": "PACS", "calling_aet": "FOR_PACS", **keys}
        text = "[deliver]\ntimeout_seconds = 20.0\n[[destinations]]\n"
        (tmp_path / "config.toml").write_text(text + "".join(f"{k} = {json.dumps(v)}\n" for k, v in lines.items()))
        return str(tmp_path / "config.toml")

    return write


def command(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments), "--json"])


def test_files_go_to_a_destination_with_its_settings(config, tmp_path):
    path = dicom_file(tmp_path / "a.dcm")
    with StoragePeer(require_calling_aet=["FOR_PACS"]) as peer:
        done = command("send", path, "--destination", "pacs", "--config", config(peer.port))
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["sent"][0]["stored"]
    assert peer.received[0].calling_aet == "FOR_PACS"


def test_a_destination_that_is_not_there_is_named_with_those_that_are(config, tmp_path):
    path = dicom_file(tmp_path / "a.dcm")
    refused = command("send", path, "--destination", "nowhere", "--config", config(1))
    assert refused.exit_code != 0
    assert "nowhere: no such destination; config.toml names: pacs" in str(refused.exception)


@pytest.mark.parametrize(
    "arguments", [[], ["--to", "127.0.0.1:1"], ["--destination", "pacs", "--to", "127.0.0.1:1", "--aet", "PACS"]]
)
def test_where_to_must_be_said_in_one_way(config, tmp_path, arguments):
    assert command("send", dicom_file(tmp_path / "a.dcm"), *arguments, "--config", config(1)).exit_code == 2


def test_echo_asks_every_destination_by_its_own_settings(config):
    with StoragePeer(require_calling_aet=["FOR_PACS"]) as peer:
        done = command("echo", "--config", config(peer.port))
    assert (done.exit_code, json.loads(done.output)["peers"]["pacs"]["ok"]) == (0, True)


def test_the_time_a_destination_gets_is_its_own(config):
    with black_hole() as port:
        done = command("echo", "--config", config(port, timeout_seconds=0.3))
    assert done.exit_code == 1
    assert "silence for 0.3 s" in done.output


def test_echo_by_address_still_works(config):
    with StoragePeer() as peer:
        done = command("echo", "--to", f"127.0.0.1:{peer.port}", "--aet", "PACS")
    assert done.exit_code == 0
