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
    signal, inside = _tissue(plan, window)
    for shape in plan.distractors.shapes:
        stamp(signal, None, shape, window=window, pitch_mm=plan.vendor.pitch_mm, blur_mm=plan.vendor.blur_mm)
    calcifications = np.zeros(signal.shape, np.bool_)
    region = np.zeros(signal.shape, np.bool_)
    lesion = plan.lesion_image
    if lesion is not None:
        added = np.zeros_like(signal)
        overlay(added, lesion.signal, at=window, of=lesion.window)
        overlay(calcifications, lesion.calcification_mask, at=window, of=lesion.window)
        overlay(region, lesion.lesion_mask, at=window, of=lesion.window)
        signal += added
    _add_noise(plan, window, signal, inside)
    stored = digitise(signal, inside, vendor=plan.vendor)
    _add_marker(plan, window, stored)
    return Rendered(polarise(stored, vendor=plan.vendor), calcifications, region)


def _tissue(plan: ViewPlan, window: Window) -> tuple[Field, Field]:
    """Tissue, vessels and nodes at half resolution, enlarged to pixels. Columns beyond the nipple are air."""
    pitch = plan.vendor.pitch_mm
    end = int(float(plan.geometry.outline[:, 0].max()) / pitch) + 8
    columns = min(window.columns, max(end - window.column, 0))
    signal = np.zeros((window.rows, window.columns), np.float32)
    inside = np.zeros_like(signal)
    if columns:
        part = Window(window.row, window.column, window.rows, columns)
        half = part.parent()
        coarse, coarse_inside = breast.breast_signal(plan.tissue, plan.geometry, half)
        add_vessels(coarse, plan.distractors.vessels, window=half, pitch_mm=2.0 * pitch)
        add_nodes(coarse, plan.distractors.nodes, window=half, pitch_mm=2.0 * pitch)
        coarse *= coarse_inside > 0.0
        signal[:, :columns] = enlarge(coarse, part)
        inside[:, :columns] = enlarge(coarse_inside, part)
    return signal, inside


def _add_noise(plan: ViewPlan, window: Window, signal: Field, inside: Field) -> None:
    """Add noise that grows with the signal and is correlated over neighbouring pixels; air has none."""
    wider = Window(window.row - 1, window.column - 1, window.rows + 2, window.columns + 2)
    noise = white(plan.seed, _NOISE_STREAM, 0, wider)
    centre, side = np.float32(0.62), np.float32(0.19)
    noise = centre * noise[1:-1] + side * (noise[:-2] + noise[2:])
    noise = centre * noise[:, 1:-1] + side * (noise[:, :-2] + noise[:, 2:])
    # The filter's own power (per axis 0.62^2 + 2 * 0.19^2) is taken out.
    noise *= np.float32(plan.noise / (0.62**2 + 2 * 0.19**2)) * np.sqrt(np.float32(0.5) + np.maximum(signal, 0.0))
    signal += noise * inside


def _add_marker(plan: ViewPlan, window: Window, stored: NDArray[np.uint16]) -> None:
    """Put the lead letters in: as white as the scale allows, where they are seen at half or more."""
    layer = np.zeros(stored.shape, np.float32)
    for shape in plan.distractors.marker:
        stamp(layer, None, shape, window=window, pitch_mm=plan.vendor.pitch_mm, blur_mm=plan.vendor.blur_mm)
    stored[layer > 0.5] = plan.vendor.top
