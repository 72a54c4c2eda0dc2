"""One view: what is drawn for it, and the rendering of any window of it.

A whole view is the window of the whole frame, a training region is a smaller one: one path, so a region equals the
same place of the whole view value by value.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from dcis_node.phantom import breast
from dcis_node.phantom.calcifications import project
from dcis_node.phantom.distractors import Distractors, add_nodes, add_vessels, sample_distractors
from dcis_node.phantom.geometry import ViewGeometry
from dcis_node.phantom.lesion import LesionImage, Mask, draw_lesion, overlay
from dcis_node.phantom.noise import Field, Window, enlarge, white
from dcis_node.phantom.patient import LATERALITIES, VIEWS, Patient
from dcis_node.phantom.shapes import Shape, stamp
from dcis_node.phantom.vendor import Vendor, digitise, polarise

_NOISE_STREAM = 100
_CENTRE, _SIDE = 0.62, 0.19  # weights of the noise's filter, per axis
_STRIP = 128  # rows
_BEYOND_NIPPLE_MM = 2.5


@dataclass(frozen=True, eq=False)
class ViewPlan:
    """Everything that decides the pixels of one view, in canonical orientation (chest wall on the left).

    Parameters
    ----------
    seed
        Seed of the view's random fields.
    noise
        Standard deviation of the noise at mid grey, in signal.
    lesion_shapes
        Calcifications of the lesion, in the order of the patient's; () in a breast without it.
    """

    laterality: str
    view: str
    seed: int
    vendor: Vendor
    noise: float
    geometry: ViewGeometry
    tissue: breast.Tissue
    distractors: Distractors
    lesion_shapes: tuple[Shape, ...]

    @property
    def frame(self) -> Window:
        """The whole view."""
        return Window(0, 0, self.vendor.rows, self.vendor.columns)

    @cached_property
    def lesion_image(self) -> LesionImage | None:
        """The lesion, drawn once."""
        v = self.vendor
        return draw_lesion(self.lesion_shapes, rows=v.rows, columns=v.columns, pitch_mm=v.pitch_mm, blur_mm=v.blur_mm)


@dataclass(frozen=True, eq=False)
class Rendered:
    """Pixels of a window: stored values, and the truth. All arrays are (rows, columns)."""

    stored: NDArray[np.uint16]
    calcification_mask: Mask
    lesion_mask: Mask


def plan_view(patient: Patient, laterality: str, view: str) -> ViewPlan:
    """Draw what belongs to one view of a patient; pure in its arguments.

    Raises
    ------
    ValueError
        If the laterality or the view is unknown.
    """
    number = 1 + 2 * LATERALITIES.index(laterality) + VIEWS.index(view)
    rng = np.random.default_rng((patient.seed, number))
    seed = int(rng.integers(1 << 62))
    geometry = patient.geometry(laterality, view)
    latents = patient.breast(laterality)
    has_lesion = laterality == patient.lesion_laterality
    return ViewPlan(
        laterality=laterality,
        view=view,
        seed=seed,
        vendor=patient.vendor,
        noise=patient.noise,
        geometry=geometry,
        tissue=breast.Tissue(seed, patient.vendor.pitch_mm, latents.density, latents.beta, latents.strands),
        distractors=sample_distractors(rng, geometry, laterality=laterality),
        lesion_shapes=project(patient.calcifications, geometry) if has_lesion else (),
    )


def render(plan: ViewPlan, window: Window) -> Rendered:
    """Render a window that lies within the frame, in canonical orientation."""
    shape = (window.rows, window.columns)
    stored = np.full(shape, plan.vendor.air, np.uint16)
    calcifications, region = np.zeros(shape, np.bool_), np.zeros(shape, np.bool_)
    part = _breast_part(plan, window)
    if part.columns:
        stored[:, : part.columns] = _render_breast(plan, part)
    lesion = plan.lesion_image
    if lesion is not None:
        overlay(calcifications, lesion.calcification_mask, at=window, of=lesion.window)
        overlay(region, lesion.lesion_mask, at=window, of=lesion.window)
    _add_marker(plan, window, stored)
    return Rendered(polarise(stored, vendor=plan.vendor), calcifications, region)


def _breast_part(plan: ViewPlan, window: Window) -> Window:
    """Cut a window to the columns that hold breast, or a ball on the nipple; the others are air."""
    end = int((float(plan.geometry.outline[:, 0].max()) + _BEYOND_NIPPLE_MM) / plan.vendor.pitch_mm)
    return Window(window.row, window.column, window.rows, min(window.columns, max(end - window.column, 0)))


def _render_breast(plan: ViewPlan, part: Window) -> NDArray[np.uint16]:
    signal, inside = _tissue(plan, part)
    for shape in plan.distractors.shapes:
        stamp(signal, None, shape, window=part, pitch_mm=plan.vendor.pitch_mm, blur_mm=plan.vendor.blur_mm)
    lesion = plan.lesion_image
    if lesion is not None:
        added = np.zeros_like(signal)
        overlay(added, lesion.signal, at=part, of=lesion.window)
        signal += added
    stored = np.empty(signal.shape, np.uint16)
    for top in range(0, part.rows, _STRIP):  # strips stay in the processor's cache
        strip = slice(top, min(top + _STRIP, part.rows))
        place = Window(part.row + top, part.column, strip.stop - strip.start, part.columns)
        noisy = signal[strip] + _noise(plan, place, signal[strip]) * inside[strip]
        stored[strip] = digitise(noisy, inside[strip], vendor=plan.vendor)
    return stored


def _tissue(plan: ViewPlan, part: Window) -> tuple[Field, Field]:
    """Give tissue, vessels and nodes, computed at half resolution, and the share of each pixel inside the skin."""
    pitch = 2.0 * plan.vendor.pitch_mm
    half = part.parent()
    signal, inside = breast.breast_signal(plan.tissue, plan.geometry, half)
    add_vessels(signal, plan.distractors.vessels, window=half, pitch_mm=pitch)
    add_nodes(signal, plan.distractors.nodes, window=half, pitch_mm=pitch)
    signal *= inside > 0.0
    return enlarge(signal, part), enlarge(inside, part)


def _noise(plan: ViewPlan, window: Window, signal: Field) -> Field:
    """Draw noise that grows with the signal and is correlated over neighbouring pixels."""
    wider = Window(window.row - 1, window.column - 1, window.rows + 2, window.columns + 2)
    noise = white(plan.seed, _NOISE_STREAM, 0, wider)
    centre, side = np.float32(_CENTRE), np.float32(_SIDE)
    noise = centre * noise[1:-1] + side * (noise[:-2] + noise[2:])
    noise = centre * noise[:, 1:-1] + side * (noise[:, :-2] + noise[:, 2:])
    # The filter's own power is taken out: by its weights, not by what this window happens to hold.
    scale = np.float32(plan.noise / (_CENTRE**2 + 2.0 * _SIDE**2))
    return np.asarray(noise * scale * np.sqrt(np.float32(0.5) + np.maximum(signal, 0.0)), np.float32)


def _add_marker(plan: ViewPlan, window: Window, stored: NDArray[np.uint16]) -> None:
    """Put the lead letters in: as white as the scale allows, where they are seen at half or more."""
    layer = np.zeros(stored.shape, np.float32)
    for shape in plan.distractors.marker:
        stamp(layer, None, shape, window=window, pitch_mm=plan.vendor.pitch_mm, blur_mm=plan.vendor.blur_mm)
    stored[layer > 0.5] = plan.vendor.top
