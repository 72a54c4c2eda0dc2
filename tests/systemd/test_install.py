"""What an installation is made of: the config of a service loads, users and folders are as the units want them."""

import subprocess

import pytest

from dcis_node.config import load_configuration
from tests.peers import require
from tests.systemd.units import UNITS


def test_the_config_of_a_service_loads_and_keeps_everything_where_the_unit_may_write(tmp_path):
    config = tmp_path / "config.toml"
    config.write_text((UNITS / "config.toml.example").read_text(encoding="utf-8"), encoding="utf-8")
    configuration = load_configuration(config)
    assert str(configuration.folder) == "/var/lib/dcis-node"
    assert configuration.backup_folder.is_relative_to("/var/lib/dcis-node")
    assert str(configuration.registry_folder) == "/var/lib/dcis-registry"


def test_what_is_commented_out_in_it_loads_too(tmp_path):
    config = tmp_path / "config.toml"
    lines = (UNITS / "config.toml.example").read_text(encoding="utf-8").splitlines()
    shown = [
        line.removeprefix("# ") if line.startswith(("# [", "# a", "# n", "# h", "# p", "# c", "# k")) else line
        for line in lines
    ]
    config.write_text("\n".join(shown), encoding="utf-8")
    configuration = load_configuration(config)
    assert configuration.destinations[0].name == "pacs"
    assert configuration.tls.certificate.endswith("tls/node.crt")


@pytest.mark.peer
def test_users_and_folders_are_made(tmp_path):
    etc = tmp_path / "etc"
    for name in ("sysusers.d", "tmpfiles.d"):
        (etc / name).mkdir(parents=True)
        (etc / name / "dcis-node.conf").write_bytes((UNITS / name / "dcis-node.conf").read_bytes())
    _run("systemd-sysusers", f"--root={tmp_path}", "dcis-node.conf")
    users = {line.split(":")[0]: line.split(":") for line in (etc / "passwd").read_text("utf-8").splitlines()}
    assert {"dcis-node", "dcis-train"} <= set(users)
    assert all(user[-1].endswith("nologin") for user in users.values())
    _run("systemd-tmpfiles", f"--root={tmp_path}", "--create", "dcis-node.conf")
    modes = {
        str(path.relative_to(tmp_path)): (oct(path.stat().st_mode & 0o7777), str(path.stat().st_uid))
        for path in tmp_path.rglob("*dcis*")
        if path.is_dir()
    }
    node, train = users["dcis-node"][2], users["dcis-train"][2]
    assert modes["var/lib/dcis-node"] == ("0o700", node)
    assert modes["etc/dcis-node"] == ("0o750", "0")
    assert modes["var/lib/dcis-registry"] == ("0o2750", train)


def _run(tool, *arguments):
    done = subprocess.run([require(tool), *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
