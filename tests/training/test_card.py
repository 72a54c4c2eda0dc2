"""The model card says what the bundle is, and what it is not."""

import re
from dataclasses import replace

import pytest

from dcis_node.errors import TrainingError
from tests.training.report.making import Made, make_all
from training.card import evaluation_card


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    return make_all(tmp_path_factory.mktemp("card"))


@pytest.fixture
def card(made) -> str:
    return evaluation_card(made.evaluation, made.bundle, cohort=made.cohort, made_at="2026-02-03")


def test_the_card_says_what_it_is_for_and_what_it_is_not(card):
    assert card.startswith("# Model card: tiny-synthetic 1\n")
    assert "SYNTHETIC MODEL. RESEARCH USE ONLY. Not a medical device." in card
    assert "not for any decision on a patient" in card
    assert "cannot be compared with the paper's" in card
    assert "## Limits\n- Computer-made phantoms" in card
    assert "2026-02-03" in card


def test_the_card_names_what_was_judged_by_hash(made, card):
    evaluation = made.evaluation
    for value in (evaluation.bundle_sha256, evaluation.cohort_sha256, evaluation.test_sha256, evaluation.sha256):
        assert f"`{value}`" in card


def test_the_card_is_ascii_and_every_table_holds_together(card):
    assert card.isascii()
    blocks = re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE)
    assert len(blocks) == 6
    for block in blocks:
        assert len({line.count("|") for line in block.splitlines()}) == 1


def test_a_vendor_named_like_markup_stays_a_text(card):
    assert "<script" not in card
    assert "[a](b)" not in card
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in card


def test_the_card_tells_how_the_bundle_was_made(card):
    assert "recipe tiny, seed 3, validation AUC of the folds 0.710 / 0.710, validation Dice 0.660 / 0.660" in card
    assert "0.350 on the calibrated probability: highest threshold with an NPV of at least 0.909" in card


def test_a_card_of_another_bundle_or_cohort_is_refused(made):
    for name in ("bundle", "cohort"):
        other = replace(made.evaluation, **{f"{name}_sha256": "0" * 64})
        with pytest.raises(TrainingError, match=f"the {name} is "):
            evaluation_card(other, made.bundle, cohort=made.cohort, made_at="2026-02-03")
