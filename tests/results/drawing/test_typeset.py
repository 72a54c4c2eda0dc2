"""Texts in a picture: every word is there, no line leaves its column, and a text that is cut says so."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from dcis_node.results.drawing.typeset import CUT, Paragraph, cut_to, font, height_of, lay, width_of, wrapped, write

WHITE = (255, 255, 255)
words = st.lists(st.text(st.characters(min_codepoint=33, max_codepoint=125), min_size=1, max_size=30), max_size=40)


@given(words=words, width=st.integers(60, 700), size=st.integers(20, 36))
def test_lines_keep_every_letter_and_their_width(words, width, size):
    lines = wrapped(" ".join(words), size=size, width=width)
    assert "".join(lines).replace(" ", "") == "".join(words)
    # Letters side by side are set a little closer than apart, never wider than a pixel more.
    assert all(font(size).getlength(line) <= width + 1 for line in lines)


def test_a_word_that_fits_is_not_broken():
    assert wrapped("one two three", size=20, width=60) == ["one", "two", "three"]


def test_a_word_wider_than_the_column_is_broken_and_not_lost():
    lines = wrapped("a" + "M" * 30 + " b", size=20, width=100)
    assert "".join(lines).replace(" ", "") == "a" + "M" * 30 + "b"
    assert len(lines) > 4


@given(count=st.integers(1, 12), height=st.integers(0, 300))
def test_what_is_cut_ends_in_a_sign_and_what_fits_does_not(count, height):
    lines = lay([Paragraph("some words of a text", 20, WHITE, before=4)] * count, 300)
    kept = cut_to(lines, width=300, height=height)
    assert height_of(kept) <= height
    assert width_of(kept) <= 300
    if kept:
        assert kept[-1].text.endswith(CUT) == (len(kept) < len(lines))


def test_only_the_first_line_of_a_paragraph_has_space_above():
    lines = lay([Paragraph("one two three", 20, WHITE, before=9)], 60)
    assert [line.before for line in lines] == [9, 0, 0]


def test_what_is_written_takes_the_height_that_was_told():
    lines = lay([Paragraph("Some words, gjpqy", 20, WHITE, before=6)] * 3, 120)
    picture = Image.new("RGB", (140, 400))
    bottom = write(ImageDraw.Draw(picture), lines, (10, 20))
    assert bottom == 20 + height_of(lines)
    rows = np.flatnonzero(np.asarray(picture).any(axis=(1, 2)))
    assert rows[0] >= 20
    assert rows[-1] < bottom
