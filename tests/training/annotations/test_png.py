import numpy as np
import pytest
from PIL import Image

from dcis_node.errors import TrainingError
from tests.training.annotations.pictures import IMAGE, l_shape
from training.annotations.png import read_png


def saved(tmp_path, picture):
    picture.save(tmp_path / "m.png")
    return tmp_path / "m.png"


def colours(labels, palette):
    return Image.fromarray(np.array(palette, np.uint8)[labels])


PLAIN = l_shape(calcified=False)
PICTURES = {
    "1 bit": (Image.fromarray(PLAIN > 0), PLAIN),
    "8 bit 0/1": (Image.fromarray(PLAIN), PLAIN),
    "8 bit 0/255": (Image.fromarray(PLAIN * np.uint8(255)), PLAIN),
    "8 bit 0/1/2": (Image.fromarray(l_shape()), l_shape()),
    "16 bit 0/1/2": (Image.fromarray(l_shape().astype(np.uint16)), l_shape()),
    "16 bit 0/65535": (Image.fromarray(PLAIN * np.uint16(65535)), PLAIN),
    "RGB black and red": (colours(PLAIN, [(0, 0, 0), (200, 0, 0)]), PLAIN),
    "RGBA opaque": (colours(PLAIN, [(0, 0, 0, 255), (255, 255, 255, 255)]), PLAIN),
}


@pytest.mark.parametrize("name", PICTURES)
def test_a_mask_is_read_row_by_row(tmp_path, name):
    picture, expected = PICTURES[name]
    read = read_png(saved(tmp_path, picture), IMAGE)
    np.testing.assert_array_equal(read.labels, expected)
    assert read.kind == "png"


def test_of_a_palette_the_indices_are_the_labels(tmp_path):
    picture = Image.fromarray(l_shape())
    picture.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    assert picture.mode == "P"
    np.testing.assert_array_equal(read_png(saved(tmp_path, picture), IMAGE).labels, l_shape())


@pytest.mark.parametrize(
    "palette",
    [
        [(0, 0, 0), (200, 0, 0), (0, 200, 0)],  # three colours
        [(10, 10, 10), (200, 0, 0), (200, 0, 0)],  # two, neither black
        [(0, 0, 0, 0), (255, 0, 0, 255), (255, 0, 0, 255)],  # transparent
    ],
)
def test_a_picture_in_colours_is_refused(tmp_path, palette):
    with pytest.raises(TrainingError, match=r"in colours|transparent"):
        read_png(saved(tmp_path, colours(l_shape(), palette)), IMAGE)


def test_a_grey_picture_is_no_mask(tmp_path):
    with pytest.raises(TrainingError, match="unknown label values"):
        read_png(saved(tmp_path, Image.fromarray(l_shape() * np.uint8(60))), IMAGE)


def test_another_size_is_refused_and_a_swap_is_told(tmp_path):
    with pytest.raises(TrainingError, match=r"m\.png: the mask is 32 x 21"):
        read_png(saved(tmp_path, Image.fromarray(PLAIN[1:])), IMAGE)
    with pytest.raises(TrainingError, match="swapped"):
        read_png(saved(tmp_path, Image.fromarray(PLAIN.T.copy())), IMAGE)


def test_a_broken_file_is_refused(tmp_path):
    path = saved(tmp_path, Image.fromarray(PLAIN))
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(TrainingError, match=r"cannot be read as PNG \(OSError\)"):
        read_png(path, IMAGE)
