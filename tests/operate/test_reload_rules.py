"""What a change of settings means: who has to be started anew, and what needs a restart."""

import pytest

from dcis_node.config import parse_configuration
from dcis_node.operate.reload_rules import change_between, refusal


def configuration(tmp_path, text=""):
    return parse_configuration(text.encode(), tmp_path / "config.toml")


DESTINATION = '[[destinations]]\nname = "pacs"\nhost = "127.0.0.1"\nport = 104\naet = "PACS"\n'
ROLES = ("receive", "retrieve", "analyse", "deliver", "clock")


def renewed(tmp_path, text):
    change = change_between(configuration(tmp_path), configuration(tmp_path, text))
    assert change.refused == ()
    return {role for role in ROLES if change.is_read_by(role)}


def test_nothing_changed_renews_nobody(tmp_path):
    assert renewed(tmp_path, "[receive]\nport = 11112") == set()


@pytest.mark.parametrize(
    ("text", "roles"),
    [
        ("[receive]\nmax_associations = 7", {"receive"}),
        ("[receive]\nprocesses = 3", {"receive"}),
        ("[exam]\nquiet_seconds = 9.0", {"receive", "retrieve", "clock"}),
        ("[analyse]\nthreads = 1", {"analyse"}),
        (DESTINATION, set(ROLES)),
        ("[deliver]\ntimeout_seconds = 9.0", set(ROLES)),
        ('[node]\nlog_level = "DEBUG"', set(ROLES)),
    ],
)
def test_only_those_who_read_a_section_are_renewed(tmp_path, text, roles):
    assert renewed(tmp_path, text) == roles


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[node]\naet = "OTHER"', "node.aet"),
        ('[storage]\nfolder = "elsewhere"', "storage.folder"),
        ('[storage]\nindex_url = "sqlite:////tmp/other.sqlite"', "storage.index_url"),
        ('[receive]\nhost = "127.0.0.2"', "receive.host"),
        ("[receive]\nport = 104", "receive.port"),
        ("[receive.tls]\nport = 104", "receive.tls.port"),
        (
            '[receive.tls]\ncertificate = "a"\nkey = "b"\npeer_ca = "c"',
            "receive.tls.certificate",
        ),
    ],
)
def test_what_is_bound_or_opened_once_needs_a_restart(tmp_path, text, key):
    change = change_between(configuration(tmp_path), configuration(tmp_path, text))
    assert change.refused == (key,)
    assert refusal(change.refused) == f"needs a restart: {key}"
