"""How the figures look, and how they get into the page: colours, sizes, base64.

Figures are `Figure` objects without pyplot: no window, no global state, the same bytes each time.
"""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

# Okabe and Ito's palette, told apart with any colour vision; line styles and markers say the same once more.
BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
SKY, ORANGE, GREY, INK = "#56B4E9", "#E69F00", "#767676", "#1a1a1a"
COLOURS = {"given": BLUE, "found": VERMILION}
STYLES = {"given": "-", "found": "--"}
MARKERS = {"given": "o", "found": "s"}

_LONGEST_LABEL = 48


@dataclass(frozen=True)
class Picture:
    """A picture for the page.

    Parameters
    ----------
    uri
        `data:` URI, base64: nothing is fetched from anywhere.
    alt
        What it shows, for who cannot see it; with the figures in it.
    caption
        Text below it.
    """

    uri: str
    alt: str
    caption: str


@contextmanager
def drawing() -> Iterator[None]:
    """Apply the style within the block only."""
    settings: Any = {
        "font.family": "DejaVu Sans",
        "font.size": 9.0,
        # A dollar in a vendor's name is a dollar.
        "text.parse_math": False,
        "axes.titlesize": 10.0,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": INK,
        "grid.color": "#d9d9d9",
        "grid.linewidth": 0.6,
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        # Equal figures have equal bytes.
        "svg.hashsalt": "dcis-report",
    }
    with mpl.rc_context(settings):
        yield


def new_figure(width_in: float, height_in: float) -> Figure:
    """Give an empty figure of that size in inches, laid out so that nothing is cut off."""
    return Figure(figsize=(width_in, height_in), layout="constrained", facecolor="white")


def vector(figure: Figure, *, alt: str, caption: str) -> Picture:
    """Embed a figure of lines as SVG; its letters are paths, so no font is needed to read it."""
    buffer = BytesIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return Picture(_uri("image/svg+xml", buffer.getvalue()), alt, caption)


def raster(figure: Figure, *, alt: str, caption: str, dpi: int = 130) -> Picture:
    """Embed a figure of images as PNG."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return Picture(_uri("image/png", buffer.getvalue()), alt, caption)


def unit_axes(axes: Axes, *, x: str, y: str) -> None:
    """Make square axes from 0 to 1, with a little room so that points on the edge are whole."""
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xlabel=x, ylabel=y, aspect="equal")
    axes.grid(visible=True)


def plain(text: str) -> str:
    """Give a text that every font can draw: ASCII, at most 48 characters."""
    shown = text.encode("ascii", "replace").decode("ascii")
    return shown if len(shown) <= _LONGEST_LABEL else shown[: _LONGEST_LABEL - 3] + "..."


def _uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode('ascii')}"
