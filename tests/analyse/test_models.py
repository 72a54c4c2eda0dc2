import logging

import pytest

from dcis_node.analyse.models import RETRY_SECONDS, Models
from dcis_node.errors import BundleError
from tests.analyse.nodes import Clock
from tests.analyse.switching import Factory, FakeBundles, bundles_of_hashes

A, B, C = "a" * 64, "b" * 64, "c" * 64


@pytest.fixture
def bundles(bundle):
    return FakeBundles(bundles_of_hashes(bundle, "a", "b", "c"))


@pytest.fixture
def build():
    return Factory()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def models(bundles, build, clock):
    return Models(bundles, build, monotonic=clock)


def test_a_bundle_that_stays_is_built_once(models, build):
    for _ in range(3):
        assert models.current().bundle.sha256 == A
        assert models.of(A) is models.current()
    assert build.built == [A]


def test_a_switch_is_followed_and_the_old_bundle_stays_at_hand(models, bundles, build, caplog):
    old = models.current()
    bundles.choose(1)
    with caplog.at_level(logging.INFO):
        assert models.current().bundle.sha256 == B
    assert models.state.sha256 == B
    assert models.of(A) is old
    assert build.built == [A, B]
    assert f"event=bundle_switched name=tiny-synthetic bundle_sha256={B}" in caplog.text


def test_a_switch_to_the_same_bundle_builds_nothing(models, bundles, build):
    bundles.choose(0)
    assert models.current().bundle.sha256 == A
    assert build.built == [A]


def test_never_more_than_two_ensembles_are_in_memory(models, bundles, build):
    for number, sha256 in ((1, B), (2, C), (0, A), (2, C)):
        bundles.choose(number)
        assert models.current().bundle.sha256 == sha256
        for other in (A, B, C, A):
            assert models.of(other).bundle.sha256 == other
    assert build.most == 2


def test_a_bundle_that_does_not_load_is_refused_and_the_old_one_goes_on(models, bundles, caplog):
    bundles.broken.add(B)
    bundles.choose(1)
    assert models.current().bundle.sha256 == A
    assert models.state.sha256 == A
    assert models.state.refused == "bundle bbbb does not load"
    assert "event=bundle_refused why='bundle bbbb does not load'" in caplog.text
    bundles.choose(2)
    assert models.current().bundle.sha256 == C
    assert models.state.refused == ""


def test_a_refused_bundle_is_tried_again_after_a_while(models, bundles, clock, caplog):
    bundles.broken.add(B)
    bundles.choose(1)
    models.current()
    bundles.broken.clear()
    assert models.current().bundle.sha256 == A
    clock.now += RETRY_SECONDS
    assert models.current().bundle.sha256 == B
    assert models.state.refused == ""
    assert caplog.text.count("bundle_refused") == 1


def test_an_ensemble_that_does_not_fit_the_device_is_refused_without_its_text(models, bundles, build, caplog):
    build.error = RuntimeError("out of memory: Canary^Yellow")
    bundles.choose(1)
    assert models.current().bundle.sha256 == A
    assert models.state.refused == "RuntimeError"
    assert models.of(C) is None
    assert "Canary" not in caplog.text


def test_a_bundle_that_is_gone_is_none(models, bundles, caplog):
    bundles.broken.add(C)
    assert models.of(C) is None
    assert f"event=bundle_gone bundle_sha256={C}" in caplog.text


def test_a_start_with_a_broken_active_bundle_takes_the_one_before(bundles, build, clock):
    bundles.broken.add(B)
    bundles.chosen, bundles.earlier = 1, 0
    models = Models(bundles, build, monotonic=clock)
    assert models.current().bundle.sha256 == A
    assert models.state.refused == "bundle bbbb does not load"


def test_a_start_without_any_bundle_that_loads_is_refused(bundles, build):
    bundles.broken |= {A}
    with pytest.raises(BundleError, match="aaaa"):
        Models(bundles, build)
