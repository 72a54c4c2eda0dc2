"""What is to be previewed, as plain values: the objects as bytes, and the images they lie on."""

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydicom import Dataset, dcmread

from dcis_node.mammogram.values import text, whole
from dcis_node.results.kinds import ResultKind
from dcis_node.results.preview.drawing import Drawing
from dcis_node.results.preview.reports import Section, read_sections
from dcis_node.results.preview.viewers import NAMES, READERS, VIEWERS
from dcis_node.results.profiles import Profile


@dataclass(frozen=True)
class SentObject:
    """One object of a profile.

    Parameters
    ----------
    data
        The complete file.
    built_again
        True if it was not among the stored results of the report, and was built again for the preview.
    """

    kind: ResultKind
    data: bytes = field(repr=False)
    built_again: bool = False

    @cached_property
    def dataset(self) -> Dataset:
        """Read it as a viewer does."""
        return dcmread(io.BytesIO(self.data))

    def to_json(self, profile: Profile) -> dict[str, Any]:
        """Give plain values: what it is, and what the profile's viewer does with it."""
        return {
            "kind": self.kind.value,
            "name": NAMES[self.kind],
            "sop_class_uid": str(self.dataset.SOPClassUID),
            "sop_instance_uid": str(self.dataset.SOPInstanceUID),
            "series_number": whole(self.dataset, "SeriesNumber"),
            "series_description": text(self.dataset, "SeriesDescription"),
            "size_bytes": len(self.data),
            "built_again": self.built_again,
            "viewer": VIEWERS[profile].does(self.kind),
        }


@dataclass(frozen=True, eq=False)
class ShownImage:
    """One image of the exam.

    Parameters
    ----------
    label
        `R CC`; "" where neither side nor view is known.
    side
        `R`, `L` or "".
    attributes
        Its header.
    unused
        Why it was not used, in words; "" if it was.
    """

    uid: str
    label: str
    side: str
    attributes: Dataset = field(repr=False)
    unused: str = ""


@dataclass(frozen=True, eq=False)
class Scene:
    """An exam's results as one profile sends them.

    Parameters
    ----------
    images
        In the order in which they hang.
    banner
        What the results may not be used for.
    notes
        What the reader of the preview has to know of its making.
    """

    profile: Profile
    objects: Sequence[SentObject]
    images: Sequence[ShownImage]
    banner: str
    notes: Sequence[str] = ()

    def drawings(self, uid: str) -> list[Drawing]:
        """Give what the profile's viewer draws on an image, in the order of drawing."""
        drawn = [kind for kind in READERS if kind in VIEWERS[self.profile].draws]
        readers = [(READERS[kind], sent) for kind in drawn for sent in self.objects if sent.kind is kind]
        return [found for read, sent in readers for found in read(sent.dataset) if found.image_uid == uid]

    def sections(self) -> list[Section]:
        """Give the text that the viewer opens."""
        opened = [sent for sent in self.objects if sent.kind is ResultKind.READABLE_REPORT]
        return [section for sent in opened for section in read_sections(sent.dataset)]

    def pictures(self) -> list[Dataset]:
        """Give the pictures that the viewer opens."""
        return [sent.dataset for sent in self.objects if sent.kind is ResultKind.SUMMARY_IMAGE]
