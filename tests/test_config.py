"""config.toml: what is taken, and what is refused with file, key, value and what is allowed."""

import tomllib
from pathlib import Path

import pytest

from dcis_node.config import Configuration, load_configuration
from dcis_node.errors import ConfigurationError

OURS = Path(__file__).parents[1] / "config.toml"


@pytest.fixture
def config(tmp_path):
    """Write a config.toml with these lines and load it."""

    def load(text):
        path = tmp_path / "config.toml"
        path.write_text(text, encoding="utf-8")
        return load_configuration(path)

    return load


def refusal(config, text):
    with pytest.raises(ConfigurationError) as error:
        config(text)
    return str(error.value)


def test_the_file_of_the_repository_runs_as_it_is():
    assert load_configuration(OURS).receive.is_loopback


def test_the_file_of_the_repository_states_every_key_with_its_true_default():
    written = tomllib.loads(OURS.read_text(encoding="utf-8"))
    defaults = Configuration().model_dump(mode="json", exclude={"base", "destinations"})
    del defaults["receive"]["peers"]
    assert written == defaults


def test_an_empty_file_gives_the_defaults(config):
    assert config("").node.aet == "DCIS_NODE"


def test_folders_are_relative_to_the_file(config, tmp_path):
    loaded = config('[storage]\nfolder = "x"')
    assert loaded.folder == tmp_path / "x"
    assert loaded.index_url == f"sqlite:///{tmp_path / 'x' / 'index.sqlite'}"


def test_a_registry_is_relative_to_the_file_and_used_when_named(config, tmp_path):
    assert not config('[analyse]\nregistry = "models"').takes_registry
    loaded = config('[analyse]\nbundle = "registry"\nregistry = "models"')
    assert loaded.takes_registry
    assert loaded.registry_folder == tmp_path / "models"


def test_cohorts_are_relative_to_the_file(config, tmp_path):
    assert config("[retention]\ncohorts = ['c']").cohort_folders == (tmp_path / "c",)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigurationError, match="no such file"):
        load_configuration(tmp_path / "nowhere.toml")


def test_a_file_that_is_no_toml_is_named_with_the_place(config):
    assert "line 1" in refusal(config, "aet = = 3")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[node]\naat = 'X'", ["config.toml", "node.aat = 'X'", "unknown key", "aet"]),
        ("[nodes]\naet = 'X'", ["nodes", "unknown key", "receive"]),
        ("[receive]\nport = 70000", ["receive.port = 70000", "65535"]),
        ("[receive]\nport = '104'", ["receive.port = '104'", "integer"]),
        ("[node]\naet = 'MORE_THAN_16_CHARS'", ["node.aet = 'MORE_THAN_16_CHARS'"]),
        ("[node]\naet = 'BACK\\\\SLASH'", ["node.aet"]),
        ("[node]\nlog_level = 'LOUD'", ["node.log_level = 'LOUD'", "DEBUG"]),
        ("[exam]\nsettle_seconds = 500.0", ["exam", "settle_seconds <= quiet_seconds"]),
        (f"[analyse]\nbundle = 'registry'\nbundle_sha256 = '{'a' * 64}'", ["bundle_sha256 must be empty"]),
        ("[analyse]\nbundle_sha256 = 'abc'", ["analyse.bundle_sha256 = 'abc'"]),
        ("[receive]\nhost = '0.0.0.0'", ["receive", "[[receive.peers]]"]),
        ("[[receive.peers]]\naet = 'P'\naddresses = ['10.0.0.300']", ["addresses", "10.0.0.300"]),
        ("[[destinations]]\nname = 'p'\nhost = 'h'\nport = 104", ["destinations.0", "needs host, port and aet"]),
        ("[[destinations]]\nhost = 'h'\nport = 104\naet = 'A'", ["destinations.0.name", "missing"]),
        ("[[destinations]]\nname='p'\nkind='dicomweb'", ["destinations.0", "dicomweb needs url"]),
        (
            "[[destinations]]\nname='p'\nkind='dicomweb'\nurl='http://h/'\nproof='commitment'",
            ["destinations.0", "no storage commitment"],
        ),
        ("[[destinations]]\nname='p'\nkind='dicomweb'\nurl='ftp://h/'", ["destinations.0.url = 'ftp://h/'"]),
        (
            "[[destinations]]\nname='p'\nhost='h'\nport=1\naet='A'\ntls={certificate='a', key='b'}",
            ["destinations.0.tls", "needs tls.ca"],
        ),
        ("[[destinations]]\nname='p'\nhost='h'\nport=1\naet='A'\nurl='http://h/'", ["belong to kind dicomweb"]),
        (
            "[[destinations]]\nname='p'\nhost='h'\nport=1\naet='A'\n[[destinations]]\nname='p'\nhost='i'\nport=1\naet='A'",
            ["destinations", "same name"],
        ),
        ("[[destinations]]\nname='../x'\nhost='h'\nport=1\naet='A'", ["destinations.0.name = '../x'"]),
        (
            "[[destinations]]\nname='p'\nhost='h'\nport=1\naet='A'\nprofile='sectra'",
            ["destinations.0.profile = 'sectra'", "'generic', 'ohif', 'mammo-workstation' or 'archive'"],
        ),
        (
            "[[destinations]]\nname='p'\nhost='h'\nport=1\naet='A'\nmeasurement_report='sr'",
            ["destinations.0.measurement_report = 'sr'", "'comprehensive-3d' or 'comprehensive'"],
        ),
        ("[receive.tls]\ncertificate = 'n.crt'", ["receive.tls", "receive.tls.certificate needs receive.tls.key"]),
        ("[receive.tls]\ncertificate = 'n.crt'\nkey = 'n.key'", ["receive.tls", "needs receive.tls.peer_ca"]),
        ("[receive.tls]\nwarn_days = -1", ["receive.tls.warn_days = -1"]),
        ("[receive]\nplain = false", ["receive.plain = false needs receive.tls.certificate"]),
        ("[[receive.peers]]\naet = 'P'\ncertificates = ['pacs']", ["receive.peers.0.certificates.0 = 'pacs'"]),
        (f"[[receive.peers]]\naet = 'P'\ncertificates = ['{'AB' * 32}']", ["receive.peers.0.certificates.0"]),
        ("[audit]\nrepository = 'udp://h:514'", ["audit.repository = 'udp://h:514'"]),
        ("[audit]\nrepository = 'tcp://h:70000'", ["audit", "a TCP port is 1 to 65535"]),
        ("[audit]\nrepository = 'tls://h:6514'", ["audit", "needs audit.ca"]),
        ("[retention]\nimages_days = 40.0\nresults_days = 30.0", ["retention", "images_days <= results_days"]),
        ("[retention]\nimages_days = 0.0\nrows_days = 30.0", ["retention", "rows_days must hold"]),
        ("[retention]\nimages_days = 0.5", ["retention", "least_days <= images_days"]),
        ("[retention]\nimages_days = -1.0", ["retention.images_days = -1.0"]),
        ("base = '/'", ["base", "unknown key"]),
    ],
)
def test_a_refusal_names_file_key_value_and_what_is_allowed(config, text, parts):
    message = refusal(config, text)
    assert [part for part in parts if part not in message] == []


def test_every_fault_is_told_at_once(config):
    assert len(refusal(config, "[receive]\nport = -1\nprocesses = 0").splitlines()) == 2


def test_a_listener_that_others_reach_starts_with_an_allowlist(config):
    loaded = config("[receive]\nhost = '0.0.0.0'\n[[receive.peers]]\naet = 'PACS'\naddresses = ['10.1.2.0/24']")
    assert loaded.receive.peers[0].addresses == ("10.1.2.0/24",)


def test_settings_cannot_be_changed_after_the_start(config):
    with pytest.raises(ValueError, match="frozen"):
        config("").node.aet = "OTHER"
