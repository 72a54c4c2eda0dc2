import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import StratifiedShuffleSplit

from training.stratify import deal, draw_share, share_counts, strata

sizes = st.lists(st.integers(2, 60), min_size=1, max_size=6)
shares = st.floats(0.05, 0.95)


@given(sizes, shares)
def test_each_stratum_gives_its_share_and_is_never_emptied(sizes, share):
    counts = share_counts(sizes, share)
    for size, count in zip(sizes, counts, strict=True):
        assert 1 <= count <= size - 1
        assert count == pytest.approx(size * share, abs=1)


@given(st.lists(st.integers(10, 60), min_size=1, max_size=6), st.sampled_from((0.2, 0.25, 0.3)))
def test_the_counts_are_as_scikit_learn_draws_them(sizes, share):
    values = np.repeat(np.arange(len(sizes)), sizes)
    total = round(share * len(values))
    splitter = StratifiedShuffleSplit(n_splits=1, test_size=total, random_state=0)
    _, drawn = next(splitter.split(values, values))
    theirs = np.bincount(values[drawn], minlength=len(sizes))
    ours = share_counts(sizes, share)
    assert np.abs(theirs - ours).max() <= 1
    assert sum(ours) == pytest.approx(total, abs=1)


@given(sizes, st.integers(2, 7), st.integers(0, 99))
def test_dealt_parts_are_disjoint_and_even_in_each_stratum(sizes, parts, seed):
    named = {f"{k}-{i}": f"s{k}" for k, size in enumerate(sizes) for i in range(size)}
    dealt = deal(named, parts, np.random.default_rng(seed))
    assert sorted(patient for part in dealt for patient in part) == sorted(named)
    for k in range(len(sizes)):
        counts = [sum(named[patient] == f"s{k}" for patient in part) for part in dealt]
        assert max(counts) - min(counts) <= 1


def test_a_draw_depends_on_its_generator_only():
    named = {f"p{i}": "a" if i % 3 else "b" for i in range(30)}
    one = draw_share(named, 0.2, np.random.default_rng(1))
    assert one == draw_share(dict(reversed(named.items())), 0.2, np.random.default_rng(1))
    assert one != draw_share(named, 0.2, np.random.default_rng(2))
    assert sorted((*one[0], *one[1])) == sorted(named)


def test_a_grade_is_divided_by_upstaging_only_where_both_parts_are_large():
    pathology = {f"a{i}": (2, i < 3) for i in range(8)} | {f"b{i}": (3, i < 2) for i in range(8)}
    named = strata(pathology, least=3)
    assert {named[f"a{i}"] for i in range(3)} == {"grade 2 upstaged"}
    assert {named[f"a{i}"] for i in range(3, 8)} == {"grade 2"}
    assert {named[f"b{i}"] for i in range(8)} == {"grade 3"}
