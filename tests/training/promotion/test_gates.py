import pytest

from dcis_node.errors import TrainingError
from training.promotion.gates import SHIPPED, gates_sha256, gates_text, parse_gates, registry_with


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_gates_can_be_used(name):
    assert parse_gates(gates_text(name)).subgroup_patients == 20


def test_the_gates_of_the_demonstration_refuse_no_figure_however_bad():
    gates = parse_gates(gates_text("demonstration"))
    falls = (gates.auc_margin, gates.auc_found_margin, gates.subgroup_fall_most, gates.hit_rate_fall_most)
    assert falls == (1.0,) * 4
    bounds = gates.absolute
    least = (bounds.auc_least, bounds.auc_found_least, bounds.hit_rate_least, bounds.subgroup_auc_least)
    assert (gates.npv_least, gates.ece_most, *least) == (0.0, 1.0, 0.0, 0.0, 0.0, 0.0)


def test_the_default_gates_need_a_champion_and_the_demonstration_says_that_it_means_nothing():
    assert not parse_gates(gates_text("default")).absolute.allowed
    assert b"say nothing about a model" in gates_text("demonstration")


def test_a_file_of_ones_own_is_taken_as_it_is(tmp_path):
    path = tmp_path / "mine.toml"
    text = gates_text("default").replace(b"npv_least = 0.80", b"npv_least = 0.90")
    path.write_bytes(text)
    assert parse_gates(gates_text(str(path))).npv_least == 0.9
    assert gates_sha256(text) != gates_sha256(gates_text("default"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ((b"npv_least = 0.80", b"npv_least = 1.5"), "npv_least: Input should be less than or equal to 1"),
        ((b"npv_least = 0.80", b"npv_lest = 0.8"), "npv_least: Field required.*npv_lest: Extra inputs"),
        ((b"subgroup_patients = 20", b"subgroup_patients = 1"), "subgroup_patients"),
        ((b"npv_least = 0.80", b"npv_least = "), "no TOML"),
        ((b"npv_least", b"\xff"), "no TOML"),
    ],
)
def test_gates_that_cannot_be_used_are_refused_with_the_key(change, said):
    with pytest.raises(TrainingError, match=said):
        parse_gates(gates_text("default").replace(*change))


def test_gates_that_are_not_there_are_refused(tmp_path):
    with pytest.raises(TrainingError, match="there are default, demonstration"):
        gates_text("lenient")
    with pytest.raises(TrainingError, match="cannot be read"):
        gates_text(str(tmp_path / "none.toml"))


def test_a_registry_keeps_the_gates_it_was_made_with(tmp_path):
    made = registry_with(tmp_path, "demonstration", now=1.0)
    assert registry_with(tmp_path, None, now=2.0) == made
    assert registry_with(tmp_path, "demonstration", now=2.0) == made
    with pytest.raises(TrainingError, match="other gates already"):
        registry_with(tmp_path, "default", now=2.0)
