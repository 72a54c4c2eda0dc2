"""OHIF as a person uses it: open a study, double-click a series, wait until the viewer's own state says it is shown."""

import json
import re
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from tests.browser.screen import Placement

# OHIF on a busy machine may draw nothing without an error; then a person opens the series again.
ATTEMPTS = 3
OPEN_MS = 20_000
STUDY_MS = 60_000
THUMBNAILS = '[data-cy="study-browser-thumbnail"], [data-cy="study-browser-thumbnail-no-image"]'

# Small functions in the page that read the viewer's state.
_HELPERS = """
window.seen = {
  displaySets: () => services.displaySetService.activeDisplaySets,
  named: text => seen.displaySets().find(d => d.SeriesDescription === text),
  shown: () => [...services.viewportGridService.getState().viewports.values()].flatMap(v => v.displaySetInstanceUIDs),
  isShown: text => { const d = seen.named(text); return !!d && seen.shown().includes(d.displaySetInstanceUID); },
  viewport: () => {
    const id = services.viewportGridService.getActiveViewportId();
    return services.cornerstoneViewportService.getCornerstoneViewport(id);
  },
  isDrawn: () => {
    const v = seen.viewport();
    return !!v && v.viewportStatus === 'rendered' && !!v.getImageData() && !!v.getCurrentImageId();
  },
  rendered: act => new Promise(done => {
    const v = seen.viewport();
    v.element.addEventListener('CORNERSTONE_IMAGE_RENDERED', () => requestAnimationFrame(
      () => requestAnimationFrame(() => done(true))), { once: true });
    act(v); v.render();
  }),
};
"""
READY_SEG = """text => seen.isShown(text) && seen.isDrawn() && seen.named(text).isLoaded
  && services.segmentationService.getSegmentationRepresentations(seen.viewport().id).some(
       r => r.segmentationId === seen.named(text).displaySetInstanceUID && r.visible)
  && seen.viewport().getActors().length > 1"""
READY_SR = """text => seen.isShown(text) && seen.isDrawn() && seen.named(text).isLoaded
  && seen.named(text).measurements.length > 0 && seen.named(text).measurements.every(m => m.loaded)
  && !!seen.viewport().element.querySelector('svg.svg-layer polyline')
  && !!seen.viewport().element.querySelector('svg.svg-layer text')"""
READY_IMAGE = "text => seen.isShown(text) && seen.isDrawn()"
READY_TEXT = "text => seen.isShown(text) && /Diagnostic imaging report/.test(document.body.innerText)"
# After the "Yes" the image itself is shown, with the overlay.
READY_HYDRATED = """text => seen.isShown(text) && seen.isDrawn() && seen.viewport().getActors().length > 1
  && services.segmentationService.getSegmentationRepresentations(seen.viewport().id).some(r => r.visible)"""

# Pictures without parts of the drawing over the image.
_STYLE = """
body.without-lines svg.svg-layer polyline { visibility: hidden; }
body.without-texts svg.svg-layer g, body.without-texts svg.svg-layer line { visibility: hidden; }
"""

_ANNOTATIONS = """() => {
  const indices = (imageId, points) => points.map(p => cornerstone.utilities.worldToImageCoords(imageId, p));
  return cornerstoneTools.annotation.state.getAllAnnotations().filter(a => a.metadata.toolName === 'DICOMSRDisplay')
    .map(a => ({ uid: a.annotationUID, image: a.metadata.referencedImageId, labels: a.data.labels,
                 points: a.data.renderableData.POLYLINE.map(p => indices(a.metadata.referencedImageId, p))[0] }));
}"""
_TEXTS = """() => {
  const canvas = seen.viewport().canvas.getBoundingClientRect();
  return [...seen.viewport().element.querySelectorAll('svg.svg-layer tspan')].map(t => {
    const r = t.getBoundingClientRect();
    return { text: t.textContent, box: [r.left - canvas.x, r.top - canvas.y, r.right - canvas.x, r.bottom - canvas.y] };
  });
}"""
_PLACEMENT = """() => {
  const v = seen.viewport(), image = v.getImageData().imageData, r = v.canvas.getBoundingClientRect();
  const at = (i, j) => v.worldToCanvas(image.indexToWorld([i, j, 0]));
  return { rect: [r.x, r.y, r.width, r.height], origin: at(0, 0), right: at(1000, 0), down: at(0, 1000) };
}"""


@dataclass
class Viewer:
    """One page of the browser.

    Parameters
    ----------
    base
        URL of the viewer.
    pictures
        Folder that keeps the screenshots.
    faults
        What the page reported since the study was opened: uncaught errors and errors of the console.
    """

    page: Page
    base: str
    pictures: Path
    faults: list[str] = field(default_factory=list)
    study_uid: str = ""

    def __post_init__(self) -> None:
        # The tour of a first visit would cover the page.
        self.page.add_init_script("localStorage.setItem('shownTours', '[\"basicViewerTour\"]')")
        self.page.on("pageerror", lambda error: self.faults.append(f"page error: {error}"))
        self.page.on(
            "console", lambda line: self.faults.append(f"console: {line.text}") if line.type == "error" else None
        )
        self.page.on(
            "response",
            lambda answer: self.faults.append(f"HTTP {answer.status}: {answer.url}") if answer.status >= 400 else None,
        )
        self.page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((self.base, "blob:", "data:"))
                else self.faults.append(f"asks elsewhere: {request.url}")
            ),
        )

    def open_study(self, study_uid: str) -> None:
        """Show a study, from the beginning; nothing is done if it is the one shown and nothing went wrong there."""
        if study_uid == self.study_uid and not self.faults:
            return
        self.study_uid = study_uid
        self.faults.clear()
        self.page.goto(f"{self.base}/viewer?StudyInstanceUIDs={study_uid}")
        try:
            self.page.locator(THUMBNAILS).first.wait_for(timeout=STUDY_MS)
        except PlaywrightTimeout:
            self.screenshot("no list of series")
            pytest.fail(f"no series listed within {STUDY_MS / 1000:g} s: {self.faults}; screenshots: {self.pictures}")
        self.page.evaluate(_HELPERS)
        self.page.add_style_tag(content=_STYLE)

    def series(self) -> list[dict[str, Any]]:
        """Give modality, description and whether OHIF says it cannot show it, of every series."""
        return self.page.evaluate(
            "() => seen.displaySets().map(d => ({ modality: d.Modality, description: d.SeriesDescription,"
            " unsupported: !!d.unsupported }))"
        )

    def thumbnail(self, description: str) -> Locator:
        """Give the entry of a series in the list."""
        whole = re.compile(rf"{re.escape(description)}\s*S:")
        return self.page.locator(THUMBNAILS).filter(has_text=whole).first

    def open_series(self, description: str, ready: str) -> None:
        """Double-click a series until `ready` holds of the viewer's state."""
        for _ in range(ATTEMPTS):
            self.double_click(description)
            if self.becomes(ready, description):
                return
            # Shown, but not drawn: something else, then this one anew.
            self.page.locator(THUMBNAILS).first.dblclick(timeout=OPEN_MS)
            self.becomes("() => seen.isDrawn()", None)
        self.screenshot(f"not opened {description}")
        pytest.fail(f"{description} was not shown in {ATTEMPTS} attempts.\n{self.report()}")

    def double_click(self, description: str) -> None:
        """Double-click a series in the list."""
        thumbnail = self.thumbnail(description)
        thumbnail.scroll_into_view_if_needed(timeout=OPEN_MS)
        thumbnail.dblclick(timeout=OPEN_MS)

    def becomes(self, condition: str, argument: str | None, *, milliseconds: int = OPEN_MS) -> bool:
        """Wait for a condition of the viewer's state; False if it does not come."""
        try:
            self.page.wait_for_function(condition, arg=argument, timeout=milliseconds, polling=100)
        except PlaywrightTimeout:
            return False
        return True

    def annotations(self) -> list[dict[str, Any]]:
        """Give the outlines of reports that the viewer holds: UID, image, labels, points (column, row)."""
        return self.page.evaluate(_ANNOTATIONS)

    def texts(self) -> list[dict[str, Any]]:
        """Give the lines of text over the image, with their boxes (left, top, right, bottom) on the canvas."""
        return self.page.evaluate(_TEXTS)

    def leave_out(self, *parts: str) -> None:
        """Hide `lines` or `texts` of the drawing over the image; without a name, show all again."""
        self.page.evaluate(
            "parts => ['lines', 'texts'].forEach("
            "part => document.body.classList.toggle(`without-${part}`, parts.includes(part)))",
            list(parts),
        )

    def report(self) -> str:
        """Say what the viewer shows and what it complained of."""
        state = self.page.evaluate(
            "() => ({ shown: seen.displaySets().filter(d => seen.shown().includes(d.displaySetInstanceUID))"
            ".map(d => d.SeriesDescription),"
            " status: seen.viewport()?.viewportStatus, image: seen.viewport()?.getCurrentImageId?.(),"
            " actors: seen.viewport()?.getActors?.().length })"
        )
        return "\n".join([json.dumps(state), *self.faults[:10], f"screenshots: {self.pictures}"])

    def screenshot(self, name: str) -> NDArray[np.uint8]:
        """Keep what the browser shows, and give it: (height, width, 3) uint8."""
        data = self.page.screenshot()
        (self.pictures / f"{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-')}.png").write_bytes(data)
        return np.asarray(Image.open(BytesIO(data)).convert("RGB"))

    def canvas(self, name: str) -> NDArray[np.uint8]:
        """Keep a screenshot, and give the part where the image is."""
        left, top, width, height = (round(v) for v in self.page.evaluate(_PLACEMENT)["rect"])
        return self.screenshot(name)[top : top + height, left : left + width]

    def placement(self) -> Placement:
        """Ask the viewer's camera where the image lies on the canvas."""
        seen = self.page.evaluate(_PLACEMENT)
        origin, right, down = (np.array(seen[key], dtype=np.float64) for key in ("origin", "right", "down"))
        matrix = np.column_stack([(right - origin) / 1000, (down - origin) / 1000, origin])
        return Placement(matrix, (round(seen["rect"][3]), round(seen["rect"][2])))

    def image_uid(self) -> str:
        """Give the SOP Instance UID of the image on the canvas."""
        return self.page.evaluate("() => seen.viewport().getCurrentImageId()").split("/instances/")[1].split("/")[0]

    def set_segmentations(self, *, visible: bool) -> None:
        """Show or hide the overlay, and wait until it is drawn so."""
        self.page.evaluate(
            """visible => seen.rendered(v => services.segmentationService.getSegmentationRepresentations(v.id).forEach(
                 r => cornerstoneTools.segmentation.config.visibility.setSegmentationRepresentationVisibility(
                        v.id, { segmentationId: r.segmentationId, type: r.type }, visible)))""",
            visible,
        )
