"""Files as 3D Slicer writes them, byte by byte from its documentation, not by our own writer."""

import gzip

import nrrd
import numpy as np
import pytest

from dcis_node.errors import TrainingError
from tests.training.annotations.pictures import COLUMNS, IMAGE, ROWS, SPACING, l_shape
from training.annotations.annotation import ImageFacts
from training.annotations.slicer import read_nrrd

L = l_shape()
TOP, LEFT = 5, 3
BOX = L[5:16, 3:12]
TISSUE = (
    "Segmentation.Status:inprogress|TerminologyEntry:Segmentation category and type - 3D Slicer General Anatomy list"
    "~SCT^85756007^Tissue~SCT^85756007^Tissue~^^~Anatomic codes - DICOM master list~^^~^^|"
)
RAS = "right-anterior-superior"


def geometry(*, columns=COLUMNS, rows=ROWS, sx=SPACING, sy=SPACING, ox=0.0, oy=0.0):
    """The field in which Slicer keeps the geometry of the image: a matrix to RAS, then the extent."""
    matrix = f"{-sx};0;0;{-ox};0;{-sy};0;{-oy};0;0;1;0;0;0;0;1;0;{columns - 1};0;{rows - 1};0;0;"
    return {
        "Segmentation_ConversionParameters": "Collapse labelmaps|1|Merge the labelmaps into as few shared labelmaps as "
        f"possible.&Oversampling factor|1|Text.&Reference image geometry|{matrix}|Image geometry description.&"
        "Smoothing factor|-0.5|Text.&"
    }


def segment(number, name, *, value=1, layer=0, tags=TISSUE):
    return {
        f"Segment{number}_Name": name,
        f"Segment{number}_LabelValue": value,
        f"Segment{number}_Layer": layer,
        f"Segment{number}_Extent": "0 4 0 4 0 0",  # as if stale: the voxels tell
        f"Segment{number}_Tags": tags,
    }


def both():
    return {**segment(0, "Lesion region", value=1), **segment(1, "Calcifications", value=2)}


def write(
    tmp_path,
    voxels,
    fields,
    *,
    directions=((SPACING, 0, 0), (0, SPACING, 0), (0, 0, 1)),
    origin=(0.0, 0.0, 0.0),
    space="left-posterior-superior",
    encoding="gzip",
    name="m.seg.nrrd",
):
    """Voxels (i, j, k) or (layer, i, j, k), first axis fastest, behind a header in plain text."""
    listed = ["none"] * (voxels.ndim - 3) + [f"({x!r},{y!r},{z!r})" for x, y, z in directions]
    kinds = ["list"] * (voxels.ndim - 3) + ["domain"] * 3
    header = [
        "NRRD0004",
        "# Complete NRRD file format specification at:",
        "# http://teem.sourceforge.net/nrrd/format.html",
        "type: unsigned char",
        f"dimension: {voxels.ndim}",
        f"space: {space}",
        f"sizes: {' '.join(map(str, voxels.shape))}",
        f"space directions: {' '.join(listed)}",
        f"kinds: {' '.join(kinds)}",
        f"encoding: {encoding}",
        f"space origin: ({origin[0]!r},{origin[1]!r},{origin[2]!r})",
        *(f"{key}:={value}" for key, value in fields.items()),
    ]
    data = voxels.astype(np.uint8).tobytes(order="F")
    body = gzip.compress(data) if encoding == "gzip" else data
    (tmp_path / name).write_bytes("\n".join(header).encode() + b"\n\n" + body)
    return tmp_path / name


def slice_of(picture):
    return picture.T[:, :, None]


def test_one_slice_of_three_axes_is_transposed_to_rows_and_columns(tmp_path):
    read = read_nrrd(write(tmp_path, slice_of(L), both()), IMAGE)
    np.testing.assert_array_equal(read.labels, L)
    assert (read.kind, read.biopsied, read.references) == ("slicer", None, ())


def test_raw_voxels_are_read_as_compressed_ones(tmp_path):
    np.testing.assert_array_equal(read_nrrd(write(tmp_path, slice_of(L), both(), encoding="raw"), IMAGE).labels, L)


def test_layers_of_overlapping_segments_are_drawn_with_the_calcifications_on_top(tmp_path):
    layers = np.stack([slice_of(L == 2), slice_of(L > 0)])  # the calcifications come first in the file
    fields = {**segment(0, "calcifications", layer=0), **segment(1, "lesion", layer=1)}
    np.testing.assert_array_equal(read_nrrd(write(tmp_path, layers, fields), IMAGE).labels, L)


def test_one_layer_may_hold_several_values_and_another_overlap_them(tmp_path):
    first = np.where(L > 0, 1, 0)
    first[25:28, 15:19] = 2
    layers = np.stack([slice_of(first), slice_of(L == 2)])
    fields = {
        **segment(0, "cluster 1", value=1),
        **segment(1, "cluster 2, biopsied", value=2),
        **segment(2, "calcs", value=1, layer=1),
    }
    read = read_nrrd(write(tmp_path, layers, fields), IMAGE)
    expected = L.copy()
    expected[25:28, 15:19] = 1
    np.testing.assert_array_equal(read.labels, expected)
    np.testing.assert_array_equal(read.biopsied, first == 2)
    assert read.parts == 2


@pytest.mark.parametrize("stated", [True, False])
@pytest.mark.parametrize("spacing", [SPACING, 1.0])
@pytest.mark.parametrize("encoding", ["gzip", "raw"])
def test_a_file_cropped_to_its_extent_lands_by_its_origin(tmp_path, stated, spacing, encoding):
    fields = {**both(), "Segmentation_ReferenceImageExtentOffset": f"{LEFT} {TOP} 0"}
    fields |= geometry(sx=spacing, sy=spacing) if stated else {}
    path = write(
        tmp_path,
        slice_of(BOX),
        fields,
        directions=((spacing, 0, 0), (0, spacing, 0), (0, 0, 1)),
        origin=(LEFT * spacing, TOP * spacing, 0.0),
        encoding=encoding,
    )
    np.testing.assert_array_equal(read_nrrd(path, IMAGE).labels, L)


def test_cropped_layers_land_by_their_origin(tmp_path):
    layers = np.stack([slice_of(BOX > 0), slice_of(BOX == 2)])
    fields = {**segment(0, "lesion", layer=0), **segment(1, "calcs", layer=1), **geometry()}
    path = write(tmp_path, layers, fields, origin=(LEFT * SPACING, TOP * SPACING, 0.0))
    np.testing.assert_array_equal(read_nrrd(path, IMAGE).labels, L)


def test_ras_is_turned_to_lps(tmp_path):
    path = write(
        tmp_path,
        slice_of(BOX),
        {**both(), **geometry()},
        space=RAS,
        directions=((-SPACING, 0, 0), (0, -SPACING, 0), (0, 0, 1)),
        origin=(-LEFT * SPACING, -TOP * SPACING, 0.0),
    )
    np.testing.assert_array_equal(read_nrrd(path, IMAGE).labels, L)


def test_ras_signs_taken_for_lps_would_lie_beside_the_image(tmp_path):
    path = write(
        tmp_path,
        slice_of(L),
        both(),
        space=RAS,
        directions=((SPACING, 0, 0), (0, SPACING, 0), (0, 0, 1)),
    )
    with pytest.raises(TrainingError, match="runs backwards"):
        read_nrrd(path, IMAGE)


@pytest.mark.parametrize("cropped", [True, False])
def test_rows_stored_backwards_are_turned_by_their_direction(tmp_path, cropped):
    picture, top, left = (BOX, TOP, LEFT) if cropped else (L, 0, 0)
    path = write(
        tmp_path,
        slice_of(picture[::-1]),
        {**both(), **geometry()},
        directions=((SPACING, 0, 0), (0, -SPACING, 0), (0, 0, 1)),
        origin=(left * SPACING, (top + picture.shape[0] - 1) * SPACING, 0.0),
    )
    np.testing.assert_array_equal(read_nrrd(path, IMAGE).labels, L)


def test_an_extent_offset_may_be_negative_where_the_mask_begins_before_the_image(tmp_path):
    padded = np.pad(L[:20], ((2, 0), (1, 0)))
    fields = {**both(), "Segmentation_ReferenceImageExtentOffset": "-1 -2 -1"}
    path = write(tmp_path, slice_of(padded), fields, origin=(-SPACING, -2 * SPACING, -1.0))
    np.testing.assert_array_equal(read_nrrd(path, IMAGE).labels, L)
    np.testing.assert_array_equal(
        read_nrrd(
            write(tmp_path, slice_of(padded), {**fields, **geometry()}, origin=(-SPACING, -2 * SPACING, -1.0)), IMAGE
        ).labels,
        L,
    )


def test_an_extent_offset_is_ignored_where_the_geometry_of_the_image_is_stated(tmp_path):
    fields = {**both(), **geometry(), "Segmentation_ReferenceImageExtentOffset": "0 0 0"}
    path = write(tmp_path, slice_of(BOX), fields, origin=(LEFT * SPACING, TOP * SPACING, 0.0))
    np.testing.assert_array_equal(read_nrrd(path, IMAGE).labels, L)


def test_a_crop_of_a_centred_image_is_believed_by_its_stated_geometry_only(tmp_path):
    ox, oy = -10 * SPACING, -16 * SPACING
    fields = {**both(), "Segmentation_ReferenceImageExtentOffset": f"{LEFT} {TOP} 0"}
    at = {"origin": (ox + LEFT * SPACING, oy + TOP * SPACING, 0.0)}
    path = write(tmp_path, slice_of(BOX), {**fields, **geometry(ox=ox, oy=oy)}, **at)
    np.testing.assert_array_equal(read_nrrd(path, IMAGE).labels, L)
    with pytest.raises(TrainingError, match="origin and its extent offset put the mask at different places"):
        read_nrrd(write(tmp_path, slice_of(BOX), fields, **at), IMAGE)


def test_a_mask_of_a_smaller_image_is_no_crop(tmp_path):
    fields = {**both(), "Segmentation_ReferenceImageExtentOffset": "0 0 0"}
    unit = ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1))
    with pytest.raises(TrainingError, match=r"the mask is 20 x 15 \(rows x columns\), the image 33 x 21"):
        read_nrrd(write(tmp_path, slice_of(L[:20, :15]), fields, directions=unit), IMAGE)
    with pytest.raises(TrainingError, match="the mask is 20 x 15"):
        read_nrrd(write(tmp_path, slice_of(L[:20, :15]), {**both(), **geometry(columns=15, rows=20)}), IMAGE)


def test_a_crop_that_begins_in_the_corner_and_reaches_its_sides_is_one(tmp_path):
    fields = {**both(), "Segmentation_ReferenceImageExtentOffset": "0 0 0"}
    read = read_nrrd(write(tmp_path, slice_of(BOX), fields), IMAGE)
    np.testing.assert_array_equal(read.labels[:11, :9], BOX)


def test_an_oversampled_segmentation_is_refused(tmp_path):
    fine = np.kron(BOX, np.ones((2, 2), np.uint8))
    half = ((SPACING / 2, 0, 0), (0, SPACING / 2, 0), (0, 0, 1))
    for fields in (both() | geometry(), both() | {"Segmentation_ReferenceImageExtentOffset": "6 10 0"}):
        with pytest.raises(TrainingError, match="another resolution"):
            read_nrrd(write(tmp_path, slice_of(fine), fields, directions=half, origin=(0.21, 0.35, 0.0)), IMAGE)


def test_a_numpy_picture_saved_without_its_axes_swapped_is_refused(tmp_path):
    for fields in (both(), both() | geometry()):
        with pytest.raises(TrainingError, match="rows and columns are swapped"):
            read_nrrd(write(tmp_path, L[:, :, None], fields), IMAGE)


def test_spacing_of_the_whole_picture_does_not_matter(tmp_path):
    facts = ImageFacts(IMAGE.sop_instance_uid, ROWS, COLUMNS, (0.0, 0.0))
    unit = ((1.0, 0, 0), (0, 1.0, 0), (0, 0, 1))
    for image in (IMAGE, facts):
        np.testing.assert_array_equal(read_nrrd(write(tmp_path, slice_of(L), both(), directions=unit), image).labels, L)


def test_several_slices_and_turned_directions_are_refused(tmp_path):
    with pytest.raises(TrainingError, match="holds 3 slices"):
        read_nrrd(write(tmp_path, np.repeat(slice_of(L), 3, axis=2), both()), IMAGE)
    turned = ((0.06, 0.036, 0), (-0.036, 0.06, 0), (0, 0, 1))
    with pytest.raises(TrainingError, match="turned against the image"):
        read_nrrd(write(tmp_path, slice_of(L), both(), directions=turned), IMAGE)


@pytest.mark.parametrize("fields", [{}, segment(0, "Lesion region"), {"Segmentation_MasterRepresentation": "x"}])
@pytest.mark.parametrize("value", [0, 1])
def test_a_single_voxel_means_an_empty_segmentation(tmp_path, fields, value):
    with pytest.raises(TrainingError, match=r"single voxel .* the mask is empty"):
        read_nrrd(write(tmp_path, np.full((1, 1, 1), value), fields), IMAGE)


def test_a_segmentation_without_a_voxel_set_is_empty(tmp_path):
    with pytest.raises(TrainingError, match="the mask is empty"):
        read_nrrd(write(tmp_path, slice_of(L * 0), both()), IMAGE)


def test_a_segment_of_something_else_is_refused_without_telling_its_name(tmp_path):
    fields = {**segment(0, "lesion", value=1), **segment(1, "Muster^Anna", value=2)}
    with pytest.raises(TrainingError, match="segment 2 has a name that is not known") as refused:
        read_nrrd(write(tmp_path, slice_of(L), fields), IMAGE)
    assert "Muster" not in str(refused.value)


def test_a_segment_of_something_else_that_is_empty_does_no_harm(tmp_path):
    path = write(tmp_path, slice_of(L), {**both(), **segment(2, "nipple", value=3)})
    np.testing.assert_array_equal(read_nrrd(path, IMAGE).labels, L)


def test_slicers_default_name_and_type_is_a_lesion_region(tmp_path):
    read = read_nrrd(write(tmp_path, slice_of(L > 0), segment(0, "Segment_1")), IMAGE)
    np.testing.assert_array_equal(read.labels, L > 0)


def test_the_type_of_the_terminology_tells_what_the_name_does_not(tmp_path):
    tags = "TerminologyEntry:Mammography~SCT^49755003^Morphologically Altered Structure"
    tags += "~SCT^129770007^Individual Calcification~^^~Anatomic codes~^^~^^|Segmentation.Status:completed"
    fields = {**segment(0, "Segment_1", value=1), **segment(1, "Segment_2", value=2, tags=tags)}
    np.testing.assert_array_equal(read_nrrd(write(tmp_path, slice_of(L), fields), IMAGE).labels, L)


def test_a_value_that_no_segment_has_is_refused(tmp_path):
    for fields in (segment(0, "lesion", value=1), both() | segment(2, "cluster", value=0)):
        with pytest.raises(TrainingError, match="unknown label values in layer 0"):
            read_nrrd(write(tmp_path, slice_of(L), fields), IMAGE)


def test_a_layer_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="segment 1 is in a layer that the file does not have"):
        read_nrrd(write(tmp_path, slice_of(L), segment(0, "lesion", layer=1)), IMAGE)


def test_an_old_file_has_a_layer_of_ones_for_each_segment(tmp_path):
    layers = np.stack([slice_of(L > 0), slice_of(L == 2)])
    fields = {"Segment0_Name": "lesion", "Segment1_Name": "calcs", "Segment0_ID": "a", "Segment1_ID": "b"}
    np.testing.assert_array_equal(read_nrrd(write(tmp_path, layers, fields), IMAGE).labels, L)


def test_a_plain_label_map_is_read_by_its_values_and_must_be_whole(tmp_path):
    read = read_nrrd(write(tmp_path, slice_of(L), {}, name="m.nrrd"), IMAGE)
    np.testing.assert_array_equal(read.labels, L)
    assert read.kind == "nrrd"
    with pytest.raises(TrainingError, match="the mask is 11 x 9"):
        read_nrrd(write(tmp_path, slice_of(BOX), {}, origin=(LEFT * SPACING, TOP * SPACING, 0.0)), IMAGE)
    with pytest.raises(TrainingError, match="unknown label values 4"):
        read_nrrd(write(tmp_path, slice_of(L * 2), {}), IMAGE)
    with pytest.raises(TrainingError, match="a label map has one layer, this one 2"):
        read_nrrd(write(tmp_path, np.stack([slice_of(L)] * 2), {}), IMAGE)


@pytest.mark.parametrize("voxels", [L, L.T, L.T[:, :, None]])
def test_a_picture_that_a_script_saved_without_a_geometry_is_read_by_its_size(tmp_path, voxels):
    nrrd.write(str(tmp_path / "m.nrrd"), voxels)
    np.testing.assert_array_equal(read_nrrd(tmp_path / "m.nrrd", IMAGE).labels, L)


def test_a_picture_of_two_axes_with_a_geometry_is_read(tmp_path):
    header = {"space dimension": 2, "space directions": np.diag([SPACING, SPACING]), "space origin": np.zeros(2)}
    nrrd.write(str(tmp_path / "m.nrrd"), L.T, header)
    np.testing.assert_array_equal(read_nrrd(tmp_path / "m.nrrd", IMAGE).labels, L)


def test_an_unknown_space_is_refused(tmp_path):
    with pytest.raises(TrainingError, match="its space is none of"):
        read_nrrd(write(tmp_path, slice_of(L), both(), space="scanner-xyz"), IMAGE)


def test_voxels_in_another_file_are_refused(tmp_path):
    nrrd.write(str(tmp_path / "m.nhdr"), slice_of(L))
    with pytest.raises(TrainingError, match="its voxels lie in another file"):
        read_nrrd(tmp_path / "m.nhdr", IMAGE)


BREAKS = {
    "voxels missing": lambda data: data[:-40],
    "no such type": lambda data: data.replace(b"unsigned char", b"nonsense char"),
    "sizes of another picture": lambda data: data.replace(b"sizes: 21 33 1", b"sizes: 22 33 1"),
    "no compressed voxels": lambda data: data[: data.index(b"\n\n") + 2] + b"x" * 80,
}


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_file_is_refused(tmp_path, name):
    path = write(tmp_path, slice_of(L), both())
    path.write_bytes(BREAKS[name](path.read_bytes()))
    with pytest.raises(TrainingError, match="cannot be read as NRRD"):
        read_nrrd(path, IMAGE)


def test_a_number_of_a_segment_that_is_none_is_refused(tmp_path):
    with pytest.raises(TrainingError, match=r"cannot be read as NRRD \(ValueError\)"):
        read_nrrd(write(tmp_path, slice_of(L), segment(0, "lesion", value="one")), IMAGE)


def test_two_list_axes_are_refused(tmp_path):
    header = {"kinds": ["list", "list", "domain", "domain", "domain"]}
    nrrd.write(str(tmp_path / "m.nrrd"), np.zeros((2, 2, COLUMNS, ROWS, 1), np.uint8), header)
    with pytest.raises(TrainingError, match="several list axes"):
        read_nrrd(tmp_path / "m.nrrd", IMAGE)


def test_a_garbled_geometry_of_the_image_counts_as_none(tmp_path):
    fields = {**both(), "Segmentation_ReferenceImageExtentOffset": f"{LEFT} {TOP} 0"}
    fields["Segmentation_ConversionParameters"] = "Reference image geometry|a;b;|Text.&"
    path = write(tmp_path, slice_of(BOX), fields, origin=(LEFT * SPACING, TOP * SPACING, 0.0))
    np.testing.assert_array_equal(read_nrrd(path, IMAGE).labels, L)
