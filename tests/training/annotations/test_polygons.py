import numpy as np
import pytest
from pydicom import Dataset

from dcis_node.errors import TrainingError
from dcis_node.results.outline import close, trace
from tests.results import builders
from tests.training.annotations.pictures import IMAGE, OTHER_UID, UID, l_shape
from training.annotations.annotation import ImageFacts
from training.annotations.polygons import read_gsps, read_sr
from training.annotations.reading import read_annotation

L = l_shape() > 0
OUTLINE = close(trace(L)).ravel().tolist()
BOX = [3.0, 5, 12, 5, 12, 16, 3, 16, 3, 5]


def dataset(**values):
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def reference(uid):
    return dataset(ReferencedSOPClassUID="1.2.840.10008.5.1.4.1.1.1.2", ReferencedSOPInstanceUID=uid)


def scoord(kind, data, uid=UID):
    item = dataset(ValueType="SCOORD", RelationshipType="CONTAINS", GraphicType=kind, GraphicData=data)
    if uid:
        selected = dataset(ValueType="IMAGE", RelationshipType="SELECTED FROM", ReferencedSOPSequence=[reference(uid)])
        item.ContentSequence = [selected]
    return item


def report(*shapes):
    group = dataset(ValueType="CONTAINER", RelationshipType="CONTAINS", ContentSequence=list(shapes))
    return dataset(ValueType="CONTAINER", ContentSequence=[group])


def state(*graphics, images=(UID,), listed=(UID,), units="PIXEL"):
    drawn = [
        dataset(GraphicAnnotationUnits=units, GraphicDimensions=2, GraphicType=kind, GraphicData=data)
        for kind, data in graphics
    ]
    layer = dataset(GraphicObjectSequence=drawn, ReferencedImageSequence=[reference(uid) for uid in images])
    series = dataset(ReferencedImageSequence=[reference(uid) for uid in listed])
    return dataset(GraphicAnnotationSequence=[layer], ReferencedSeriesSequence=[series])


def sr(*shapes, image=IMAGE):
    return read_sr(report(*shapes), image, file="m.dcm")


def gsps(ds, image=IMAGE):
    return read_gsps(ds, image, file="m.dcm")


def test_an_outline_of_a_report_gives_the_picture_it_was_traced_from():
    read = sr(scoord("POLYLINE", OUTLINE))
    np.testing.assert_array_equal(read.labels, L)
    assert (read.kind, read.weak, read.references, read.parts) == ("sr", False, (UID,), 1)


@pytest.mark.parametrize("kind", ["POLYLINE", "INTERPOLATED"])
def test_a_drawing_of_a_presentation_state_gives_the_same_picture(kind):
    read = gsps(state((kind, OUTLINE)))
    np.testing.assert_array_equal(read.labels, L)
    assert (read.kind, read.weak) == ("gsps", False)


def test_what_the_node_itself_writes_lies_on_the_pixels_it_outlined(tmp_path):
    mask = np.zeros((120, 90), bool)
    mask[30:50, 20:26] = mask[44:50, 20:45] = True
    views = list(builders.four_views())
    views[0] = builders.image("R", "CC", number=1, mask=mask, probability=0.6)
    facts = ImageFacts(views[0].header.sop_instance_uid, 120, 90)
    kinds = []
    for number, result in enumerate(builders.results_of(views)):
        (tmp_path / f"{number}.dcm").write_bytes(result.data)
        try:
            read = read_annotation(tmp_path / f"{number}.dcm", facts)
        except TrainingError:
            continue  # the readable report, and the segmentation of the other view
        np.testing.assert_array_equal(read.labels, mask)
        kinds.append(read.kind)
    assert sorted(kinds) == ["dicom_seg", "sr"]


def test_several_outlines_are_all_drawn():
    read = sr(scoord("POLYLINE", OUTLINE), scoord("POLYLINE", [15.0, 20, 19, 20, 17, 26, 15, 20]))
    assert read.parts == 2
    assert read.labels[21, 16] == 1


def test_only_what_was_drawn_on_this_image_is_taken():
    ds = report(scoord("POLYLINE", OUTLINE), scoord("POLYLINE", [15.0, 20, 19, 20, 17, 26, 15, 20], OTHER_UID))
    mine = read_sr(ds, IMAGE, file="m")
    np.testing.assert_array_equal(mine.labels, L)
    assert mine.references == (UID, OTHER_UID)
    other = read_sr(ds, ImageFacts(OTHER_UID, IMAGE.rows, IMAGE.columns), file="m")
    assert (other.labels[21, 16], other.labels[14, 4]) == (1, 0)


def test_drawings_on_other_images_only_are_refused():
    with pytest.raises(TrainingError, match="it does not reference this one"):
        sr(scoord("POLYLINE", OUTLINE, OTHER_UID))
    with pytest.raises(TrainingError, match="it does not reference this one"):
        gsps(state(("POLYLINE", OUTLINE), images=(OTHER_UID,)))


def test_coordinates_that_name_no_image_are_not_taken():
    with pytest.raises(TrainingError, match="nothing is outlined in this image, the mask is empty"):
        sr(scoord("POLYLINE", OUTLINE, ""))


def test_boxes_circles_ellipses_and_points_are_weak():
    assert sr(scoord("POLYLINE", BOX)).weak
    assert sr(scoord("CIRCLE", [8.0, 10, 11, 10])).weak
    assert sr(scoord("ELLIPSE", [4.0, 10, 14, 10, 9, 8, 9, 12])).weak
    points = sr(scoord("MULTIPOINT", [3.5, 5.5, 7.5, 9.5]))
    assert points.weak
    assert np.argwhere(points.labels).tolist() == [[5, 3], [9, 7]]
    assert not sr(scoord("CIRCLE", [8.0, 10, 11, 10]), scoord("POLYLINE", OUTLINE)).weak


def test_a_point_beside_an_outline_is_not_drawn():
    np.testing.assert_array_equal(sr(scoord("POINT", [18.5, 30.5]), scoord("POLYLINE", OUTLINE)).labels, L)


def test_a_line_that_measures_is_no_outline():
    with pytest.raises(TrainingError, match="nothing is outlined"):
        sr(scoord("POLYLINE", [3.0, 5, 12, 16]))
    np.testing.assert_array_equal(sr(scoord("POLYLINE", [0.0, 0, 9, 0, 20, 30]), scoord("POLYLINE", OUTLINE)).labels, L)


@pytest.mark.parametrize(
    ("kind", "data"),
    [("CIRCLE", [8.0, 10]), ("ELLIPSE", [4.0, 10, 14, 10]), ("POLYLINE", [1.0, 2, 3]), ("SPLINE", [1.0, 2, 3, 4])],
)
def test_data_that_does_not_fit_its_type_is_not_drawn(kind, data):
    with pytest.raises(TrainingError, match="nothing is outlined"):
        sr(scoord(kind, data))


def test_an_outline_beside_the_image_is_refused_and_one_over_the_edge_cut_off():
    with pytest.raises(TrainingError, match="lies outside the image"):
        sr(scoord("POLYLINE", [100.0, 100, 120, 100, 120, 120, 100, 100]))
    assert sr(scoord("POLYLINE", [-5.0, 2, 4, 2, 4, 6, -5, 6, -5, 2])).labels.sum() == 16


def test_display_units_tell_no_place_in_the_image():
    with pytest.raises(TrainingError, match="DISPLAY units"):
        gsps(state(("POLYLINE", [0.1, 0.1, 0.2, 0.1, 0.2, 0.2, 0.1, 0.1]), units="DISPLAY"))


def test_a_drawing_without_a_reference_belongs_to_the_only_image_of_the_state():
    np.testing.assert_array_equal(gsps(state(("POLYLINE", OUTLINE), images=())).labels, L)
    with pytest.raises(TrainingError, match="on a stated image"):
        gsps(state(("POLYLINE", OUTLINE), images=(), listed=(UID, OTHER_UID)))
