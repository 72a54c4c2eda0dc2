"""The body of a STOW-RS request: what goes in comes out, byte for byte, whatever the bytes are."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcis_node.deliver.web.multipart import CHUNK_BYTES, Multipart, multipart_of, occurs
from dcis_node.errors import DeliveryError
from tests.deliver.web.peer import parts_of

# Bytes that look like the frame around them are what breaks a multipart body.
AWKWARD = st.sampled_from([b"\r\n", b"--", b"\r\n--", b"--aa\r\n", b"--aa--\r\n", b"aa", b"\0", b"\n", b"\r", b"\xff"])
CONTENT = st.lists(st.one_of(AWKWARD, st.binary(max_size=40)), max_size=12).map(b"".join)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("parts")


def written(folder, contents):
    paths = [folder / str(number) for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return paths


def candidates():
    numbers = itertools.chain(["a", "aa", "-", "--"], map("aa{}".format, itertools.count()))
    return lambda: next(numbers)


@given(contents=st.lists(CONTENT, min_size=1, max_size=5))
def test_another_parser_finds_the_same_bytes(folder, contents):
    body = multipart_of(written(folder, contents), draw=candidates())
    assert parts_of(body.content_type, b"".join(body)) == contents


@given(contents=st.lists(CONTENT, min_size=1, max_size=5))
def test_the_boundary_is_in_none_of_the_files(folder, contents):
    body = multipart_of(written(folder, contents), draw=candidates())
    assert all(body.boundary.encode() not in content for content in contents)


@given(contents=st.lists(CONTENT, min_size=1, max_size=5))
def test_the_length_is_known_beforehand(folder, contents):
    body = multipart_of(written(folder, contents))
    assert len(body) == len(b"".join(body))


@given(data=st.binary(max_size=60), needle=st.binary(min_size=1, max_size=6), cuts=st.lists(st.integers(0, 60)))
def test_what_lies_across_the_border_of_chunks_is_found(data, needle, cuts):
    borders = sorted({0, len(data), *(cut for cut in cuts if cut <= len(data))})
    chunks = [data[start:end] for start, end in itertools.pairwise(borders)]
    assert occurs(needle, chunks) == (needle in data)


def test_a_body_can_be_read_twice(folder):
    body = multipart_of(written(folder, [b"one", b"two"]))
    assert b"".join(body) == b"".join(body)


def test_a_file_is_never_in_memory_as_a_whole(folder):
    body = multipart_of(written(folder, [bytes(5 * CHUNK_BYTES + 1)]))
    assert max(map(len, body)) <= CHUNK_BYTES


@pytest.mark.parametrize("now", [b"", b"shorte", b"longer than"])
def test_a_file_that_is_not_as_long_as_it_was_ends_the_body_in_the_middle(folder, now):
    (path,) = written(folder, [b"content"])
    body = multipart_of([path])
    path.write_bytes(now)
    sent = []
    with pytest.raises(DeliveryError, match="changed"):
        sent.extend(body)
    assert len(b"".join(sent)) < len(body)


def test_a_file_that_is_gone_is_an_error_of_ours(folder, tmp_path):
    with pytest.raises(DeliveryError, match="No such file"):
        multipart_of([tmp_path / "none"])
    with pytest.raises(DeliveryError, match="No such file"):
        list(Multipart(((tmp_path / "none", 3),), "b"))
