import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.encoders import RLELosslessEncoder
from pydicom.uid import UID

from dcis_node.mammogram import storage_classes as sop
from dcis_node.mammogram.facts import Mark
from dcis_node.mammogram.marks import read_marks
from dcis_node.mammogram.shapes import centre_of

from .builders import code, image, reread

IMAGE, OTHER = "1.2.3.4.1", "1.2.3.4.9"


def dataset(**attributes):
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def reference(uid=IMAGE):
    return dataset(ReferencedSOPClassUID=sop.MAMMOGRAPHY_FOR_PRESENTATION, ReferencedSOPInstanceUID=uid)


def carrier(sop_class, **attributes):
    plain = {"SOPClassUID": sop_class, "SOPInstanceUID": "1.2.3.5", "ImageLaterality": None, "ViewPosition": None}
    return image(**{**plain, "PatientOrientation": None, "ImageType": None, **attributes})


# --- shapes


@pytest.mark.parametrize(
    ("kind", "data", "centre"),
    [
        # the centre of the first pixel is 0.5\0.5 (PS3.3 C.18.6.1.1), our 0, 0
        ("POINT", [0.5, 0.5], (0, 0)),
        ("POINT", [10.5, 20.5], (20, 10)),
        ("CIRCLE", [10.5, 20.5, 10.5, 25.5], (20, 10)),
        ("ELLIPSE", [5.5, 20.5, 15.5, 20.5, 10.5, 18.5, 10.5, 22.5], (20, 10)),
        ("POLYLINE", [5.5, 10.5, 15.5, 10.5, 15.5, 30.5, 5.5, 10.5], (20, 10)),
        ("MULTIPOINT", [5.5, 10.5, 15.5, 30.5], (20, 10)),
        ("POINT", [10.5], None),
        ("POINT", [1, 2, 3, 4], None),
        ("ELLIPSE", [1, 2, 3, 4], None),
        ("POLYLINE", [1, 2, 3], None),
        ("POLYLINE", [], None),
        ("POLYLINE", [1, float("nan")], None),
        ("SPLINE", [1, 2], None),
    ],
)
def test_a_shape_has_its_centre_in_stored_pixels(kind, data, centre):
    assert centre_of(kind, data) == centre


# --- segmentations


def group(uid, **position):
    ds = dataset()
    if uid:
        ds.DerivationImageSequence = [dataset(SourceImageSequence=[reference(uid)])]
    if position:
        ds.PlanePositionSlideSequence = [dataset(**position)]
    return ds


def segmentation(masks, *, bits=1, groups=None, **attributes):
    masks = np.asarray(masks, np.uint8)
    data = np.packbits(masks.ravel(), bitorder="little").tobytes() if bits == 1 else masks.tobytes()
    ds = carrier(
        sop.SEGMENTATION,
        Rows=masks.shape[1],
        Columns=masks.shape[2],
        NumberOfFrames=len(masks),
        BitsAllocated=bits,
        BitsStored=bits,
        HighBit=bits - 1,
        SegmentationType="BINARY" if bits == 1 else "FRACTIONAL",
        PerFrameFunctionalGroupsSequence=groups or [group(IMAGE) for _ in masks],
        **attributes,
    )
    ds.add_new("PixelData", "OB", data + b"\0" * (len(data) % 2))
    return ds


def masks(*boxes, rows=11, columns=13):
    frames = np.zeros((len(boxes), rows, columns), np.uint8)
    for frame, (top, left, bottom, right) in zip(frames, boxes, strict=True):
        frame[top:bottom, left:right] = 1
    return frames


def test_a_binary_segmentation_gives_the_middle_of_each_frame_though_frames_do_not_begin_at_bytes():
    frames = masks((2, 3, 5, 8), (6, 0, 10, 2))
    found = read_marks(segmentation(frames, groups=[group(IMAGE), group(OTHER)]))
    assert found == (Mark(IMAGE, 3.0, 5.0, "seg", "1.2.3.5"), Mark(OTHER, 7.5, 0.5, "seg", "1.2.3.5"))


def test_the_largest_part_of_a_frame_is_its_mark():
    frames = masks((2, 3, 5, 8))
    frames[0, 9, 12] = 1
    assert [(m.row, m.column) for m in read_marks(segmentation(frames))] == [(3.0, 5.0)]


def test_an_empty_frame_gives_no_mark():
    assert len(read_marks(segmentation(masks((0, 0, 0, 0), (1, 1, 3, 3))))) == 1


def test_a_fractional_segmentation_counts_from_half_of_its_largest_value():
    frames = masks((2, 3, 5, 8)) * np.uint8(100)
    frames[0, 0:2, 0:12] = 40
    found = read_marks(segmentation(frames, bits=8, MaximumFractionalValue=100))
    assert [(m.row, m.column) for m in found] == [(3.0, 5.0)]


def test_a_run_length_coded_segmentation_is_read():
    frames = masks((2, 3, 5, 8), (6, 0, 10, 2)) * np.uint8(255)
    ds = segmentation(frames, bits=8)
    encode = {"rows": 11, "columns": 13, "bits_allocated": 8, "bits_stored": 8, "samples_per_pixel": 1}
    encode |= {"pixel_representation": 0, "photometric_interpretation": "MONOCHROME2", "number_of_frames": 1}
    ds.PixelData = encapsulate(
        [RLELosslessEncoder.encode(frame.tobytes(), encoding_plugin="pydicom", **encode) for frame in frames]
    )
    ds.file_meta.TransferSyntaxUID = UID(sop.RLE_LOSSLESS)
    assert [(m.row, m.column) for m in read_marks(ds)] == [(3.0, 5.0), (7.5, 0.5)]


def test_a_frame_that_covers_a_part_of_the_image_is_moved_to_its_place():
    place = {"RowPositionInTotalImagePixelMatrix": 101, "ColumnPositionInTotalImagePixelMatrix": 51}
    found = read_marks(segmentation(masks((2, 3, 5, 8)), groups=[group(IMAGE, **place)]))
    assert [(m.row, m.column) for m in found] == [(103.0, 55.0)]


def test_a_reference_in_the_shared_groups_or_the_only_referenced_instance_names_the_image():
    frames = masks((2, 3, 5, 8))
    shared = segmentation(frames, groups=[group("")], SharedFunctionalGroupsSequence=[group(OTHER)])
    assert [m.image_uid for m in read_marks(shared)] == [OTHER]
    series = [dataset(ReferencedInstanceSequence=[reference(OTHER)])]
    only = segmentation(frames, groups=[group("")], ReferencedSeriesSequence=series)
    assert [m.image_uid for m in read_marks(only)] == [OTHER]
    series = [dataset(ReferencedInstanceSequence=[reference(OTHER), reference(IMAGE)])]
    assert read_marks(segmentation(frames, groups=[group("")], ReferencedSeriesSequence=series)) == ()


@pytest.mark.parametrize(
    "broken",
    [
        {"Rows": 60_000, "Columns": 60_000},
        {"NumberOfFrames": 10**6},
        {"Rows": 0},
        {"PixelData": b"\1"},
        {"BitsAllocated": 16},
    ],
)
def test_a_broken_segmentation_gives_no_marks(broken):
    ds = segmentation(masks((2, 3, 5, 8)))
    for keyword, value in broken.items():
        setattr(ds, keyword, value)
    assert read_marks(ds) == ()


# --- reports


def content(value_type, name="", children=(), **attributes):
    item = dataset(ValueType=value_type, RelationshipType="CONTAINS", **attributes)
    if name:
        item.ConceptNameCodeSequence = [code(name, "DCM", "name")]
    if children:
        item.ContentSequence = list(children)
    return item


def image_item(uid=IMAGE):
    return content("IMAGE", ReferencedSOPSequence=[reference(uid)])


def scoord(kind, data, *, source, name="111030"):
    return content("SCOORD", name, [source], GraphicType=kind, GraphicData=data)


def report(*items, sop_class=sop.COMPREHENSIVE_3D_SR):
    return carrier(sop_class, ValueType="CONTAINER", ContentSequence=list(items))


def nested(item, depth):
    for _ in range(depth):
        item = content("CONTAINER", children=[item])
    return item


@pytest.mark.parametrize("sop_class", [sop.ENHANCED_SR, sop.COMPREHENSIVE_SR, sop.COMPREHENSIVE_3D_SR])
def test_the_regions_of_a_measurement_report_are_marks_in_the_order_of_the_report(sop_class):
    ds = report(
        nested(scoord("POLYLINE", [4.5, 9.5, 14.5, 29.5], source=image_item()), 5),
        content("NUM", children=[scoord("POINT", [3.5, 4.5], source=image_item(OTHER))]),
        sop_class=sop_class,
    )
    expected = (Mark(IMAGE, 19.0, 9.0, "sr_scoord", "1.2.3.5"), Mark(OTHER, 4.0, 3.0, "sr_scoord", "1.2.3.5"))
    assert read_marks(ds) == expected
    assert read_marks(reread(ds)) == expected


def test_coordinates_without_an_image_are_no_mark():
    assert read_marks(report(content("SCOORD", GraphicType="POINT", GraphicData=[1, 2]))) == ()


def test_the_same_mark_twice_is_one():
    twice = [scoord("POINT", [3.5, 4.5], source=image_item()) for _ in range(2)]
    assert len(read_marks(report(*twice))) == 1


def test_a_report_deeper_than_any_real_one_is_read_down_to_a_bound():
    mark = scoord("POINT", [3.5, 4.5], source=image_item())
    assert len(read_marks(report(nested(mark, 31)))) == 1
    assert read_marks(report(nested(mark, 32))) == ()


def test_a_long_outline_is_read():
    outline = np.stack([np.linspace(0.5, 100.5, 9000), np.linspace(0.5, 50.5, 9000)], axis=1).ravel()
    ds = report(scoord("POLYLINE", outline.tolist(), source=image_item()))
    assert [(m.row, m.column) for m in read_marks(reread(ds, implicit=True))] == [(25.0, 50.0)]


def by_reference(*path):
    return dataset(RelationshipType="SELECTED FROM", ReferencedContentItemIdentifier=list(path))


def cad_report(*parts, finding="129769006", scheme="SCT"):
    library = content("CONTAINER", "111028", [image_item(), image_item(OTHER)])
    cluster = content("CODE", "111059", parts, ConceptCodeSequence=[code(finding, scheme, "finding")])
    impression = content("CODE", "111017", [content("CONTAINER", "111034", [cluster])])
    return report(library, impression, sop_class=sop.MAMMOGRAPHY_CAD_SR)


CENTER = scoord("POINT", [10.5, 20.5], source=by_reference(1, 1, 2), name="111010")
OUTLINE = scoord("POLYLINE", [0.5, 0.5, 40.5, 60.5], source=by_reference(1, 1, 2), name="111041")


@pytest.mark.parametrize(("finding", "scheme"), [("129769006", "SCT"), ("F-01775", "SRT"), ("111105", "DCM")])
def test_the_center_of_a_cad_cluster_is_a_mark_on_the_image_of_the_library(finding, scheme):
    ds = cad_report(OUTLINE, CENTER, finding=finding, scheme=scheme)
    assert read_marks(reread(ds)) == (Mark(OTHER, 20.0, 10.0, "cad_sr", "1.2.3.5"),)


def test_a_cad_cluster_without_a_center_is_marked_by_its_outline():
    assert [(m.row, m.column) for m in read_marks(cad_report(OUTLINE))] == [(30.0, 20.0)]


def test_a_cad_mass_is_no_mark():
    assert read_marks(cad_report(CENTER, finding="4147007")) == ()


def test_a_cad_cluster_that_is_not_for_presentation_is_no_mark():
    held_back = content("CODE", "111056", ConceptCodeSequence=[code("111152", "DCM", "Not for Presentation")])
    assert read_marks(cad_report(held_back, CENTER)) == ()


@pytest.mark.parametrize("path", [(1, 1, 9), (2, 1, 2), (1, 0), (1,), (1, 1.5), tuple([1] * 40)])
def test_a_reference_that_leads_nowhere_gives_no_mark(path):
    center = scoord("POINT", [10.5, 20.5], source=dataset(), name="111010")
    center.ContentSequence[0].add_new("ReferencedContentItemIdentifier", "FD", [float(part) for part in path])
    assert read_marks(cad_report(center)) == ()


# --- presentation states


def annotation(*graphics, images=(IMAGE,)):
    ds = dataset(GraphicObjectSequence=list(graphics))
    if images:
        ds.ReferencedImageSequence = [reference(uid) for uid in images]
    return ds


def graphic(kind, data, units="PIXEL"):
    return dataset(GraphicAnnotationUnits=units, GraphicType=kind, GraphicData=data)


def presentation_state(*annotations, images=(IMAGE,)):
    series = [dataset(ReferencedImageSequence=[reference(uid) for uid in images])]
    return carrier(
        sop.GRAYSCALE_PRESENTATION_STATE, GraphicAnnotationSequence=list(annotations), ReferencedSeriesSequence=series
    )


def test_a_drawn_circle_of_a_presentation_state_is_a_mark():
    ds = presentation_state(annotation(graphic("CIRCLE", [10.5, 20.5, 15.5, 20.5]), images=(OTHER,)))
    assert read_marks(reread(ds)) == (Mark(OTHER, 20.0, 10.0, "gsps", "1.2.3.5"),)


def test_a_drawing_in_display_units_is_no_mark():
    assert read_marks(presentation_state(annotation(graphic("POINT", [0.5, 0.5], units="DISPLAY")))) == ()


def test_an_annotation_without_a_reference_belongs_to_the_only_image_of_the_state():
    drawn = annotation(graphic("POINT", [10.5, 20.5]), images=())
    assert [m.image_uid for m in read_marks(presentation_state(drawn, images=(OTHER,)))] == [OTHER]
    assert read_marks(presentation_state(drawn, images=(OTHER, IMAGE))) == ()


# --- anything else


@pytest.mark.parametrize("sop_class", [sop.MAMMOGRAPHY_FOR_PRESENTATION, sop.KEY_OBJECT_SELECTION, sop.BASIC_TEXT_SR])
def test_any_other_object_has_no_marks(sop_class):
    ds = report(scoord("POINT", [3.5, 4.5], source=image_item()), sop_class=sop_class)
    assert read_marks(ds) == ()


def test_an_empty_object_has_no_marks():
    assert read_marks(Dataset()) == ()


garbage = st.recursive(
    st.builds(
        lambda value_type, kind, data, uid: dataset(
            ValueType=value_type,
            GraphicType=kind,
            GraphicData=data,
            GraphicAnnotationUnits="PIXEL",
            ReferencedSOPInstanceUID=uid,
            ConceptNameCodeSequence=[code("111059", "DCM", "x")],
            ConceptCodeSequence=[code("129769006", "SCT", "x")],
        ),
        st.sampled_from(["SCOORD", "IMAGE", "CONTAINER", ""]),
        st.sampled_from(["POINT", "CIRCLE", "POLYLINE", ""]),
        st.lists(st.floats(width=32), max_size=5),
        st.sampled_from(["", IMAGE]),
    ),
    lambda children: st.builds(
        lambda inner, keyword: dataset(**{keyword: inner}),
        st.lists(children, max_size=3),
        st.sampled_from(
            [
                "ContentSequence",
                "ReferencedSOPSequence",
                "GraphicAnnotationSequence",
                "PerFrameFunctionalGroupsSequence",
            ]
        ),
    ),
    max_leaves=8,
)


@given(garbage, st.sampled_from([sop.SEGMENTATION, sop.COMPREHENSIVE_SR, sop.MAMMOGRAPHY_CAD_SR]))
def test_no_garbage_raises(ds, sop_class):
    ds.SOPClassUID = sop_class
    assert isinstance(read_marks(ds), tuple)
