"""Plain values for the tests of the pure parts."""

import numpy as np

from dcis_node.analyse.analysis_record import ViewRecord
from dcis_node.analyse.judged import JudgedImage
from dcis_node.mammogram.facts import ImageKind, Laterality, MammogramHeader, Mark, Reason
from dcis_node.model.evidence import Candidate, LesionSource, ViewPrediction


def header(name: str = "R CC", *, uid: str = "1.2.3", **changes) -> MammogramHeader:
    laterality, _, view = name.partition(" ")
    values = {
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.1.2",
        "sop_instance_uid": uid,
        "study_instance_uid": "1.2",
        "series_instance_uid": "1.2.9",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "kind": ImageKind.FFDM,
        "laterality": Laterality(laterality) if laterality else None,
        "view": view or None,
        "rows": 6,
        "columns": 4,
        **changes,
    }
    return MammogramHeader(**values)


def record(probability: float | None = 0.5, *, mark: Mark | None = None, shape=(6, 4)) -> ViewRecord:
    mask = np.zeros(shape, np.bool_)
    if probability is None:
        return ViewRecord(ViewPrediction(LesionSource.NONE, None, (), None, (), mask), mirrored=False)
    mask[1:3, 2] = True
    candidate = Candidate(1.5, 2.0, (1, 2, 3, 3), 2, 1.75, 0.875, 3)
    source = LesionSource.FOUND if mark is None else LesionSource.GIVEN
    prediction = ViewPrediction(source, probability, (probability, 0.25), (1.5, 2.0), (candidate,), mask)
    return ViewRecord(prediction, mirrored=True, mark=mark, notes=("chest_wall_disagrees",))


def judged(number: int, name: str = "R CC", probability: float | None = 0.5, **changes) -> JudgedImage:
    facts = {key: changes.pop(key) for key in ("acquired", "created", "partial_view", "modifiers") if key in changes}
    values = {
        "instance_id": number,
        "sha256": f"{number:064x}",
        "study_instance_uid": "1.2",
        "received_at": float(number),
        "header": header(name, uid=f"1.2.3.{number}", **facts),
        "reason": Reason.ELIGIBLE,
        "record": record(probability, mark=changes.pop("mark", None)),
        **changes,
    }
    return JudgedImage(**values)
