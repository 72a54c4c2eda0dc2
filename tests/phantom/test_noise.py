import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.phantom.noise import Octaves, Window, enlarge, fractal, gain, lift, octaves, white

PITCH = 0.07


@given(st.integers(-300, 300), st.integers(-300, 300), st.integers(1, 90), st.integers(1, 90), st.integers(0, 4))
def test_a_window_of_noise_equals_the_same_place_of_a_larger_one(row, column, rows, columns, level):
    small = white(5, 1, level, Window(row, column, rows, columns))
    large = white(5, 1, level, Window(row - 7, column - 3, rows + 20, columns + 11))
    assert np.array_equal(small, large[7 : 7 + rows, 3 : 3 + columns])


@given(st.integers(-100, 100), st.integers(-100, 100), st.integers(2, 70), st.integers(2, 70))
def test_a_window_of_a_fractal_field_equals_the_same_place_of_a_larger_one(row, column, rows, columns):
    settings = octaves(PITCH, finest_mm=0.1, coarsest_mm=9.0, beta=3.0)
    small = fractal(5, 1, Window(row, column, rows, columns), settings)
    large = fractal(5, 1, Window(row - 5, column - 9, rows + 9, columns + 30), settings)
    assert np.array_equal(small, large[5 : 5 + rows, 9 : 9 + columns])


def test_another_seed_stream_or_level_gives_other_noise():
    window = Window(0, 0, 32, 32)
    base = white(1, 1, 1, window)
    for other in (white(2, 1, 1, window), white(1, 2, 1, window), white(1, 1, 2, window)):
        assert abs(float((base * other).mean())) < 0.2


@pytest.mark.parametrize("times", [1, 2, 3])
def test_the_analytic_gain_is_the_power_that_enlarged_noise_has(times):
    window = Window(0, 0, 1024, 1024)
    field = lift(lambda w: white(3, 1, times, w), window, levels=times)
    assert float(field.var()) == pytest.approx(gain(times), rel=0.05)


@pytest.mark.parametrize("pitch", [0.05, 0.07, 0.085, 0.0940909])
@pytest.mark.parametrize("beta", [2.5, 3.0, 3.5])
def test_the_spread_of_a_field_is_set_by_the_filter_and_not_by_the_window_or_the_pitch(pitch, beta):
    settings = octaves(pitch, finest_mm=0.1, coarsest_mm=3.0, beta=beta, deviation=0.8)
    deviation = np.sqrt(np.mean([fractal(s, 1, Window(0, 0, 512, 512), settings).var() for s in range(4)]))
    assert deviation == pytest.approx(0.8, rel=0.12)


def test_a_small_window_has_the_variance_of_the_whole_on_average_and_is_not_normalised_by_itself():
    settings = octaves(PITCH, finest_mm=0.1, coarsest_mm=9.0, beta=3.0)
    spreads = [fractal(s, 1, Window(0, 0, 48, 48), settings).std() for s in range(40)]
    # A window's own deviation scatters and is smaller; a field normalised by it would always have 1.
    assert np.std(spreads) > 0.05
    assert np.mean(spreads) < 0.9


@pytest.mark.parametrize("beta", [2.6, 3.0, 3.4])
def test_the_power_of_a_field_falls_with_the_slope_asked_for(beta):
    settings = octaves(PITCH, finest_mm=0.05, coarsest_mm=20.0, beta=beta, base=0)
    size = 512
    power = np.zeros((size, size))
    taper = np.hanning(size)[:, None] * np.hanning(size)
    for seed in range(6):
        power += np.abs(np.fft.fft2(fractal(seed, 1, Window(0, 0, size, size), settings) * taper)) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size, PITCH), np.fft.fftfreq(size, PITCH)))
    edges = np.geomspace(0.15, 1.5, 10)
    rings = [power[(frequency >= a) & (frequency < b)].mean() for a, b in itertools.pairwise(edges)]
    slope = np.polyfit(np.log(np.sqrt(edges[1:] * edges[:-1])), np.log(rings), 1)[0]
    assert -slope == pytest.approx(beta, abs=0.3)


def test_enlarging_a_constant_keeps_it():
    window = Window(3, 4, 9, 10)
    parent = window.parent()
    assert np.array_equal(enlarge(np.full((parent.rows, parent.columns), 2, np.float32), window), np.full((9, 10), 2))


def test_a_field_without_amplitude_is_zero():
    assert not fractal(1, 1, Window(0, 0, 5, 5), Octaves(1, (0.0,))).any()
