"""Augmentation in two steps: draw the parameters, then apply them. The second step is deterministic.

Cancer Imaging 2024, 24:48, "Data pre-processing and augmentation".
"""

from dataclasses import dataclass

from numpy.random import Generator


@dataclass(frozen=True)
class Augmentation:
    """How far a training crop may be varied. The defaults are the paper's.

    Parameters
    ----------
    shift_mm
        Largest shift of the crop in each direction. The paper's 150 pixels are 10.5 mm at 0.07 mm.
    flip
        Probability of a left-right flip.
    gamma
        Range of the exponent on display values.
    noise
        Largest standard deviation of the noise, as a share of each pixel's own intensity.
    draw_display
        Draw one of the image's display transforms; False takes the one that the node would take.
    """

    shift_mm: float = 10.5
    flip: float = 0.5
    gamma: tuple[float, float] = (0.95, 1.05)
    noise: float = 0.05
    draw_display: bool = True


NONE = Augmentation(shift_mm=0.0, flip=0.0, gamma=(1.0, 1.0), noise=0.0, draw_display=False)


@dataclass(frozen=True)
class Drawn:
    """The parameters of one crop.

    Parameters
    ----------
    display
        Index of the display transform, or None for the node's choice.
    noise_seed
        Seed of the noise field, so that applying it twice gives the same crop.
    """

    shift_mm: tuple[float, float]
    flip: bool
    gamma: float
    noise: float
    noise_seed: int
    display: int | None


def draw(augmentation: Augmentation, rng: Generator, *, displays: int) -> Drawn:
    """Draw the parameters of one crop of an image that has `displays` display transforms."""
    rows, columns = (float(rng.uniform(-augmentation.shift_mm, augmentation.shift_mm)) for _ in range(2))
    return Drawn(
        shift_mm=(rows, columns),
        flip=bool(rng.random() < augmentation.flip),
        gamma=float(rng.uniform(*augmentation.gamma)),
        noise=float(rng.uniform(0.0, augmentation.noise)),
        noise_seed=int(rng.integers(2**32)),
        display=int(rng.integers(displays)) if augmentation.draw_display else None,
    )
