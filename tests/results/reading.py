"""Read results back as a viewer would: from their bytes, with pydicom."""

import io

import numpy as np
from pydicom import dcmread


def read(result):
    return dcmread(io.BytesIO(result.data))


def of_modality(results, modality):
    return [read(r) for r in results if r.modality == modality]


def readable(results):
    return read(results[0])


def measurements(results):
    return read(results[1])


def items(ds):
    """All content items of a tree, depth first."""
    for item in ds.get("ContentSequence") or ():
        yield item
        yield from items(item)


def name(item):
    return item.ConceptNameCodeSequence[0]


def texts(ds):
    """All texts of a report, their line breaks undone."""
    return [" ".join(str(i.TextValue).split()) for i in items(ds) if i.ValueType == "TEXT"]


def whole_text(ds):
    return "\n".join(texts(ds))


def groups(ds):
    return [i for i in items(ds) if i.ValueType == "CONTAINER" and name(i).CodeValue == "125007"]


def numbers(group):
    """Code value -> number of the NUM items of a group, in their order."""
    return {
        name(i).CodeValue: float(i.MeasuredValueSequence[0].NumericValue)
        for i in group.ContentSequence
        if i.ValueType == "NUM"
    }


def region(group):
    """The outline of a group (n, 2) and the image it lies on."""
    item = next(i for i in group.ContentSequence if i.ValueType == "SCOORD")
    points = np.array(item.GraphicData, dtype=float).reshape(-1, 2)
    return points, str(item.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID)


def group_of(ds, uid):
    return next(g for g in groups(ds) if region(g)[1] == uid)


def tracking(group):
    """Identifier and UID by which a group is tracked."""
    values = {name(i).CodeValue: i for i in group.ContentSequence if i.ValueType in {"TEXT", "UIDREF"}}
    return str(values["112039"].TextValue), str(values["112040"].UID)


def source_of(seg):
    return str(seg.ReferencedSeriesSequence[0].ReferencedInstanceSequence[0].ReferencedSOPInstanceUID)


def evidence(ds):
    return {
        str(item.ReferencedSOPInstanceUID)
        for keyword in ("CurrentRequestedProcedureEvidenceSequence", "PertinentOtherEvidenceSequence")
        for study in ds.get(keyword) or ()
        for series in study.ReferencedSeriesSequence
        for item in series.ReferencedSOPSequence
    }
