import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.mammogram.curves import FullRange, Rescale, Table, Window
from dcis_node.mammogram.display import DisplayTransform, brightest, choose, transforms

from .builders import ge_essential, image, lut, reread

FUNCTIONS = ("LINEAR", "LINEAR_EXACT", "SIGMOID")
windows = st.builds(
    Window,
    st.floats(-5000, 70_000),
    st.floats(1, 70_000),
    st.sampled_from(FUNCTIONS),
)
tables = st.builds(
    lambda first, steps: Table(first, np.cumsum(steps), max(int(np.sum(steps)), 1)),
    st.integers(-2000, 5000),
    st.lists(st.integers(0, 40), min_size=1, max_size=200),
)
rescales = st.builds(Rescale, st.floats(0.01, 10), st.floats(-3000, 3000))
increasing = st.builds(
    lambda voi, modality: DisplayTransform("t", voi, modality),
    st.one_of(windows, tables, st.just(FullRange())),
    rescales,
)
pixels = st.lists(st.integers(0, 65_535), min_size=1, max_size=60).map(lambda v: np.array(v, np.uint16))


@given(increasing, pixels)
def test_grey_is_float32_between_0_and_1_and_never_falls_when_the_stored_value_rises(transform, stored):
    grey = transform.apply(np.sort(stored))
    assert grey.dtype == np.float32
    assert grey.min() >= 0
    assert grey.max() <= 1
    assert np.all(np.diff(grey) >= 0)


@given(increasing, pixels)
def test_monochrome1_is_the_complement(transform, stored):
    inverted = DisplayTransform("t", transform.voi, transform.modality, inverted=True)
    np.testing.assert_allclose(inverted.apply(stored), 1 - transform.apply(stored), atol=1e-6)


@given(tables, pixels)
def test_a_voi_lut_is_indexed_by_the_value_less_its_first_mapped_value(table, stored):
    expected = [table.entries[min(max(int(v) - table.first, 0), len(table.entries) - 1)] / table.top for v in stored]
    np.testing.assert_allclose(DisplayTransform("t", table).apply(stored), expected, atol=1e-6)


def test_a_voi_lut_is_not_indexed_by_the_rank_of_the_value():
    ds = image(VOILUTSequence=[lut([0, 10, 20, 4095], first=100, bits=12)])
    grey = choose(transforms(ds)).apply(np.array([[100, 103], [0, 4000]], np.uint16))
    np.testing.assert_allclose(grey, [[0, 1], [0, 1]])


@pytest.mark.parametrize(
    ("function", "value", "expected"),
    [
        # PS3.3 C.11.2.1.2: c = 2048, w = 4096 maps 0 -> 0 and 4095 -> 1
        ("LINEAR", 0, 0.0),
        ("LINEAR", 4095, 1.0),
        ("LINEAR", 2047, (2047 - 2047.5) / 4095 + 0.5),
        # PS3.3 C.11.2.1.3.2: the same numbers as a true interval
        ("LINEAR_EXACT", 0, 0.0),
        ("LINEAR_EXACT", 2048, 0.5),
        ("LINEAR_EXACT", 4095, 4095 / 4096),
        # PS3.3 C.11.2.1.3.1
        ("SIGMOID", 2048, 0.5),
        ("SIGMOID", 3072, 1 / (1 + np.exp(-1))),
    ],
)
def test_a_window_follows_the_formula_of_its_function(function, value, expected):
    ds = image(WindowCenter=2048, WindowWidth=4096, VOILUTFunction=function)
    assert choose(transforms(ds)).apply(np.array([value], np.uint16))[0] == pytest.approx(expected, abs=1e-6)


def test_a_linear_window_one_wide_is_a_step():
    ds = image(WindowCenter=100, WindowWidth=1)
    np.testing.assert_array_equal(choose(transforms(ds)).apply(np.array([99, 100], np.uint16)), [0, 1])


def test_the_real_ge_header_offers_three_tables_and_three_sigmoid_windows():
    offered = transforms(reread(ge_essential()))
    assert [choice.name for choice in offered] == [
        "voi_lut_1_normal",
        "voi_lut_2_harder",
        "voi_lut_3_softer",
        "window_1_sigmoid_normal",
        "window_2_sigmoid_harder",
        "window_3_sigmoid_softer",
    ]
    assert [(len(c.voi.entries), c.voi.first, c.voi.top) for c in offered[:3]] == [
        (3447, 625, 4095),
        (3016, 1023, 4095),
        (3887, 203, 4095),
    ]


def test_where_there_are_a_table_and_windows_the_table_replaces_the_window():
    assert choose(transforms(ge_essential())).name == "voi_lut_1_normal"


def test_the_choice_prefers_what_the_vendor_calls_normal_wherever_it_stands():
    ds = image(VOILUTSequence=[lut([0, 9], first=0, bits=8, explanation=e) for e in ("HARDER", "NORMAL")])
    assert choose(transforms(ds)).name == "voi_lut_2_normal"


def test_without_explanations_the_first_in_the_image_is_chosen():
    ds = image(WindowCenter=[10, 20], WindowWidth=[5, 6])
    assert choose(transforms(ds)).voi == Window(10, 5)


def test_nothing_to_choose_from_is_an_error():
    with pytest.raises(ValueError, match="no display"):
        choose(())


@pytest.mark.parametrize(("manufacturer", "kind"), [("GE MEDICAL SYSTEMS", "SIGMOID"), ("HOLOGIC, Inc.", "LINEAR")])
def test_an_empty_voi_lut_function_means_sigmoid_for_ge_only(manufacturer, kind):
    ds = image(Manufacturer=manufacturer, WindowCenter=100, WindowWidth=50, VOILUTFunction="")
    assert choose(transforms(reread(ds))).voi.function == kind


def test_an_absent_voi_lut_function_is_linear_even_for_ge():
    ds = image(Manufacturer="GE MEDICAL SYSTEMS", WindowCenter=100, WindowWidth=50)
    assert choose(transforms(ds)).voi.function == "LINEAR"


@pytest.mark.parametrize(
    "attributes",
    [
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"PresentationLUTShape": "INVERSE"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"},
        {"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "IDENTITY"},
    ],
)
def test_inverted_images_come_out_with_air_black_once(attributes):
    grey = choose(transforms(image(WindowCenter=2048, WindowWidth=4096, **attributes))).apply(
        np.array([4095, 0], np.uint16)
    )
    np.testing.assert_allclose(grey, [0, 1])


def test_rescale_comes_before_the_window():
    ds = image(
        WindowCenter=2000, WindowWidth=1000, VOILUTFunction="LINEAR_EXACT", RescaleSlope=2, RescaleIntercept=-500
    )
    assert choose(transforms(ds)).apply(np.array([1250], np.uint16))[0] == pytest.approx(0.5)


def test_a_modality_table_comes_before_the_window():
    ds = image(WindowCenter=50, WindowWidth=100, VOILUTFunction="LINEAR_EXACT")
    ds.ModalityLUTSequence = [lut([0, 25, 75], first=10, bits=8)]
    np.testing.assert_allclose(
        choose(transforms(ds)).apply(np.array([10, 11, 12, 99], np.uint16)), [0, 0.25, 0.75, 0.75]
    )


def test_a_modality_table_that_falls_does_not_lose_its_extremes_without_voi():
    ds = image(ModalityLUTSequence=[lut([5, 90, 0, 30], first=0, bits=8)])
    np.testing.assert_allclose(
        choose(transforms(ds)).apply(np.array([0, 1, 2, 3], np.uint16)), [5 / 90, 1, 0, 1 / 3], atol=1e-6
    )


@pytest.mark.parametrize("implicit", [True, False])
def test_signed_stored_values_and_a_negative_first_mapped_value_are_read_right(implicit):
    ds = image(PixelRepresentation=1, VOILUTSequence=[lut([0, 50, 100], first=-1, bits=8, vr="SS")])
    transform = choose(transforms(reread(ds, implicit=implicit)))
    assert transform.voi.first == -1
    np.testing.assert_allclose(transform.apply(np.array([-2000, -1, 0, 1], np.int16)), np.array([0, 0, 50, 100]) / 255)


def test_a_first_mapped_value_written_with_the_wrong_sign_is_set_right():
    ds = image(PixelRepresentation=1, VOILUTSequence=[lut([0, 100], first=65_535, bits=8)])
    assert choose(transforms(ds)).voi.first == -1
    ds = image(BitsStored=16, VOILUTSequence=[lut([0, 100], first=-1, bits=8, vr="SS")])
    assert choose(transforms(ds)).voi.first == 65_535


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_entries_of_any_depth_are_scaled_by_that_depth(bits):
    top = 2**bits - 1
    ds = image(VOILUTSequence=[lut([0, top // 2, top], first=0, bits=bits)])
    np.testing.assert_allclose(choose(transforms(ds)).apply(np.arange(3, dtype=np.uint16)), [0, 0.5, 1], atol=0.005)


def test_entries_beyond_their_stated_depth_are_scaled_by_the_depth_that_holds_them():
    ds = image(VOILUTSequence=[lut([0, 4095], first=0, bits=8)])
    assert choose(transforms(ds)).apply(np.array([1], np.uint16))[0] == 1


def test_a_descriptor_of_0_entries_means_65536():
    item = lut([0], first=0, bits=16)
    item.add_new("LUTDescriptor", "US", [0, 0, 16])
    item.add_new("LUTData", "OW", np.arange(65_536, dtype="<u2").tobytes())
    ds = image(BitsStored=16, VOILUTSequence=[item])
    transform = choose(transforms(reread(ds)))
    assert len(transform.voi.entries) == 65_536
    assert transform.apply(np.array([65_535], np.uint16))[0] == 1


@pytest.mark.parametrize("little", [True, False])
def test_table_data_in_bytes_is_read_in_the_byte_order_of_the_file(little):
    item = lut([0], first=5, bits=12)
    item.add_new("LUTDescriptor", "US", [3, 5, 12])
    item.add_new("LUTData", "OW", np.array([0, 256, 4095], "<u2" if little else ">u2").tobytes())
    ds = image(VOILUTSequence=[item])
    np.testing.assert_array_equal(choose(transforms(reread(ds, little=little))).voi.entries, [0, 256, 4095])


def test_8_bit_entries_packed_two_to_a_word_are_unpacked():
    item = lut([0], first=0, bits=8)
    item.add_new("LUTDescriptor", "US", [4, 0, 8])
    item.add_new("LUTData", "US", [0x2010, 0xFF80])
    np.testing.assert_array_equal(choose(transforms(image(VOILUTSequence=[item]))).voi.entries, [16, 32, 128, 255])


@pytest.mark.parametrize(
    "broken",
    [
        {"VOILUTSequence": []},
        {"WindowCenter": 100},
        {"WindowCenter": 100, "WindowWidth": 0},
        {"WindowCenter": 100, "WindowWidth": -5, "VOILUTFunction": "SIGMOID"},
        {"RescaleSlope": 0, "RescaleIntercept": 0},
    ],
)
def test_unusable_voi_attributes_fall_back_to_the_range_of_the_pixels(broken):
    chosen = choose(transforms(image(**broken)))
    assert chosen.name == "min_max"
    np.testing.assert_allclose(chosen.apply(np.array([100, 200, 300], np.uint16)), [0, 0.5, 1])


def test_a_table_without_data_does_not_hide_the_next_one():
    empty = lut([1, 2], first=0, bits=8)
    del empty.LUTData
    ds = image(VOILUTSequence=[empty, lut([0, 255], first=0, bits=8)])
    assert [choice.voi.top for choice in transforms(ds)] == [255]


def test_a_window_that_is_no_number_does_not_hide_the_next_one():
    ds = image()
    ds.add_new("WindowCenter", "LO", ["many", "200"])
    ds.add_new("WindowWidth", "LO", ["100", "100"])
    assert [choice.voi for choice in transforms(ds)] == [Window(200, 100)]


def test_padding_is_black_and_does_not_stretch_the_full_range():
    ds = image(PixelPaddingValue=4095)
    stored = np.array([4095, 100, 200, 300], np.uint16)
    np.testing.assert_allclose(choose(transforms(reread(ds))).apply(stored), [0, 0, 0.5, 1])


def test_padding_is_black_in_an_inverted_image_too():
    ds = image(PhotometricInterpretation="MONOCHROME1", PixelPaddingValue=0, WindowCenter=2048, WindowWidth=4096)
    np.testing.assert_allclose(choose(transforms(ds)).apply(np.array([0, 1], np.uint16)), [0, 1], atol=1e-3)


def test_a_padding_range_is_inclusive_in_either_order():
    ds = image(PixelPaddingValue=10, PixelPaddingRangeLimit=5, WindowCenter=0.5, WindowWidth=1)
    np.testing.assert_array_equal(
        choose(transforms(ds)).apply(np.array([4, 5, 10, 11], np.uint16)), np.array([1, 0, 0, 1])
    )


def test_an_image_of_one_value_is_black_without_voi():
    np.testing.assert_array_equal(choose(transforms(image())).apply(np.full((2, 2), 7, np.uint16)), np.zeros((2, 2)))


def test_a_multi_frame_image_gives_the_window_of_its_functional_groups():
    inner, group = image(), image()
    inner.WindowCenter, inner.WindowWidth = 300, 200
    group.FrameVOILUTSequence = [inner]
    assert choose(transforms(image(SharedFunctionalGroupsSequence=[group]))).voi == Window(300, 200)


def test_an_unknown_explanation_does_not_reach_the_name():
    ds = image(WindowCenter=1, WindowWidth=2, WindowCenterWidthExplanation="DOE^JANE")
    assert choose(transforms(ds)).name == "window_1_linear"


@given(st.sampled_from(["u1", "i1", "u2", "i2", "u4", "i4"]), st.integers(0, 5), st.booleans())
def test_any_integer_type_gives_the_same_grey_for_the_same_value(dtype, seed, wide):
    rng = np.random.default_rng(seed)
    info = np.iinfo(dtype)
    low, high = (int(info.min), int(info.max)) if wide else (0, 120)
    stored = rng.integers(low, high, (5, 5), dtype=np.int64, endpoint=True).astype(dtype)
    transform = DisplayTransform("t", Window(60, 100, "SIGMOID"))
    np.testing.assert_allclose(transform.apply(stored), transform.voi.unit(stored.astype(np.float64)), atol=1e-6)


def test_values_that_are_no_integers_are_refused():
    with pytest.raises(TypeError, match="integers"):
        choose(transforms(image())).apply(np.zeros(3))


def test_no_pixels_give_no_grey():
    assert choose(transforms(image())).apply(np.zeros((0, 4), np.uint16)).shape == (0, 4)


@pytest.mark.parametrize("width", [0, -3])
def test_a_window_without_width_is_refused(width):
    with pytest.raises(ValueError, match="window"):
        Window(1, width, "SIGMOID")


def test_the_brightest_picture_is_that_of_the_softest_choice_at_each_pixel():
    ds = image(WindowCenter=[3000, 2000], WindowWidth=[500, 4000])
    stored = np.arange(0, 4096, 64, dtype=np.uint16)
    expected = np.maximum(*(choice.apply(stored) for choice in transforms(ds)))
    np.testing.assert_array_equal(brightest(transforms(ds), stored), expected)
