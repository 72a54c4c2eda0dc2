"""Images that have left by the rule of retention: what is kept of them still speaks in a later version of the answer.

Of each its header is kept, and its analysis until the results leave too. So a late view gets a report with all views,
though most of the images are not here any more. An image of which not enough is kept is here no more, and the new
version says so (`dcis_node.analyse.changed_images`).
"""

import io
from collections.abc import Sequence

from pydicom import Dataset, dcmread

from dcis_node.analyse.judged import JudgedImage
from dcis_node.canonical import digest
from dcis_node.mammogram.facts import Reason
from dcis_node.model.bundle import Bundle
from storage.database import Database
from storage.exams import ExamInstance
from storage.files import FileStore
from storage.findings import StoredAnalysis, newest_analysis
from storage.records import Records


def has_left(instance: ExamInstance, files: FileStore) -> bool:
    """Tell whether the file of an instance has left."""
    return instance.removed_at is not None and not files.exists(instance.sha256)


def attributes_of(files: FileStore, sha256: str) -> Dataset:
    """Read everything before the pixels of an image, which may have left.

    Raises
    ------
    OSError
        Neither the image nor its header is here.
    """
    path = files.path(sha256)
    removal = None if path.exists() else Records(files).removal(sha256)
    return dcmread(path if removal is None else io.BytesIO(removal.header_bytes), stop_before_pixels=True)


def stored_analysis(db: Database, image: JudgedImage, bundle: Bundle) -> StoredAnalysis | None:
    """Give the last analysis by a bundle of an image that has left: none can be made for marks that came since."""
    with db.read() as session:
        return newest_analysis(session, image.sha256, bundle.sha256)


def still_speaks(image: JudgedImage, files: FileStore) -> bool:
    """Tell whether enough is kept of an image that has left: its header, and the analysis if it was to have one."""
    removal = Records(files).removal(image.sha256)
    judged = image.reason is not Reason.ELIGIBLE or image.record is not None
    return removal is not None and bool(removal.header) and judged


def another_answer(inputs_sha256: str, images: Sequence[JudgedImage], files: FileStore) -> str:
    """Give the digest that an answer to these inputs is known by.

    It is another one than that of the inputs if an answer to them has left: other bytes must not get its UIDs.
    """
    records = Records(files)
    moments = [records.retired_at(image.sha256) for image in images]
    if not moments or any(moment is None for moment in moments):
        return inputs_sha256
    return digest({"inputs": inputs_sha256, "retired": max(moment for moment in moments if moment is not None)})
