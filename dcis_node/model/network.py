"""The network of the paper: a U-Net with a classification branch at the end of its encoder.

Cancer Imaging 2024, 24:48 (s40644-024-00691-x), "Network architecture", Fig. 2; what the paper leaves open is filled
from the facts of the lab's public research code (width, norm, dropout, the branch's channels and its pooling).
"""

from dataclasses import asdict, field
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class NetworkConfig:
    """Every setting that shapes the network. It travels inside the bundle, so loading never guesses.

    Parameters
    ----------
    width
        Filters of the first level; each level below has twice as many.
    depth
        Levels with a max-pool (paper: five). Height and width of an input must be multiples of 2**depth.
    norm
        `instance` as the lab; `batch` for a small CPU network: its statistics do not depend on the crop's size.
    dropout
        Probability of dropping a whole channel (Dropout2d) after each convolution.
    segmentation_classes
        2: background, lesion. 3: background, lesion region, calcification inside it.
    classification_classes
        2: low risk, high risk.
    branch_channels
        Channels of the classification branch; the lab takes (depth - 2) * 2.
    classification_pooling
        `max` as the lab, or `mean`, over the whole crop.
    gradient_scale
        Share of the branch's gradient that reaches the encoder (lab: 0.5 by default, 0.15 in its runs).
    """

    width: Annotated[int, Field(ge=1)] = 64
    depth: Annotated[int, Field(ge=1, le=8)] = 5
    norm: Literal["instance", "batch"] = "instance"
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    input_channels: Annotated[int, Field(ge=1)] = 1
    segmentation_classes: Annotated[int, Field(ge=2, le=3)] = 2
    classification_classes: Literal[2] = 2
    branch_channels: Annotated[int, Field(ge=1)] = field(default=6)
    classification_pooling: Literal["max", "mean"] = "max"
    gradient_scale: Annotated[float, Field(ge=0.0, le=1.0)] = 0.5

    @property
    def multiple(self) -> int:
        """Height and width of an input must be multiples of this."""
        return 1 << self.depth

    def to_json(self) -> dict[str, Any]:
        """Give plain values for the manifest; `NetworkConfig(**values)` restores an equal one."""
        return asdict(self)


PRESETS: dict[str, NetworkConfig] = {
    "paper": NetworkConfig(),
    # The shipped synthetic model: small enough for two cores and for a repository.
    "demo": NetworkConfig(width=8, norm="batch", dropout=0.0, segmentation_classes=3),
}


class NetworkOutput(NamedTuple):
    """Logits: segmentation (B, classes, H, W) and classification (B, 2)."""

    segmentation: Tensor
    classification: Tensor


def scale_gradient(x: Tensor, scale: float) -> Tensor:
    """Give `x` unchanged, with its gradient multiplied by `scale` on the way back.

    A plain expression, not a custom autograd function with a class attribute: two networks in one process may
    have two scales.
    """
    return x if scale == 1.0 else x.detach() + (x - x.detach()) * scale


def _norm(channels: int, config: NetworkConfig) -> nn.Module:
    return nn.BatchNorm2d(channels) if config.norm == "batch" else nn.InstanceNorm2d(channels)


class DoubleConvolution(nn.Sequential):
    """Twice (3x3 convolution, norm, ReLU, Dropout2d): (B, from, H, W) -> (B, to, H, W)."""

    def __init__(self, from_channels: int, to_channels: int, config: NetworkConfig) -> None:
        layers: list[nn.Module] = []
        for channels in (from_channels, to_channels):
            # The norm that follows removes any bias; it stays because the lab's 53.6 million parameters have it.
            layers += [
                nn.Conv2d(channels, to_channels, 3, padding=1),
                _norm(to_channels, config),
                nn.ReLU(inplace=True),
            ]
            layers += [nn.Dropout2d(config.dropout)] if config.dropout else []
        super().__init__(*layers)


class ClassificationBranch(nn.Module):
    """One convolution, one double block, global pooling, one output convolution (paper, Fig. 2)."""

    def __init__(self, from_channels: int, config: NetworkConfig) -> None:
        super().__init__()
        self.gradient_scale = config.gradient_scale
        self.pooling = config.classification_pooling
        self.reduce = nn.Conv2d(from_channels, config.branch_channels, 3, padding=1)
        self.block = DoubleConvolution(config.branch_channels, config.branch_channels, config)
        self.output = nn.Conv2d(config.branch_channels, config.classification_classes, 1)

    def forward(self, deepest: Tensor) -> Tensor:
        """Classify from the deepest encoder level (B, C, h, w); gives logits (B, 2)."""
        x = self.reduce(scale_gradient(deepest, self.gradient_scale))  # (B, 6, h, w)
        x = self.block(x)  # (B, 6, h, w)
        x = x.amax((2, 3), keepdim=True) if self.pooling == "max" else x.mean((2, 3), keepdim=True)  # (B, 6, 1, 1)
        logits: Tensor = self.output(x).flatten(1)  # (B, 2)
        return logits


class UNet(nn.Module):
    """Segment the lesion and classify its risk.

    The parts can be run apart: training's first stage needs no branch, the node's sweep neither.

    Parameters
    ----------
    config
        Shape of the network.
    """

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * 2**level for level in range(config.depth)]  # 64, 128, 256, 512, 1024
        self.down = nn.ModuleList(
            DoubleConvolution(before, after, config)
            for before, after in zip([config.input_channels, *widths[:-1]], widths, strict=True)
        )
        self.middle = DoubleConvolution(widths[-1], widths[-1], config)
        # Each step up takes the upsampled map and the skip of the same width, and halves the width but for the last.
        self.up = nn.ModuleList(
            DoubleConvolution(2 * width, max(width // 2, config.width), config) for width in reversed(widths)
        )
        half = max(config.width // 2, 1)
        classes = config.segmentation_classes
        self.final = nn.Sequential(
            nn.Conv2d(config.width, half, 1), nn.Conv2d(half, classes, 1), nn.Conv2d(classes, classes, 1)
        )
        self.branch = ClassificationBranch(widths[-1], config)

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Run the encoder on (B, 1, H, W) in [0, 1]; gives the map of each level, (B, width * 2**i, H/2**i, W/2**i).

        Raises
        ------
        ValueError
            If H or W is no multiple of 2**depth.
        """
        if image.shape[-2] % self.config.multiple or image.shape[-1] % self.config.multiple:
            msg = f"height and width must be multiples of {self.config.multiple}, got {tuple(image.shape[-2:])}"
            raise ValueError(msg)
        maps: list[Tensor] = []
        x = image  # (B, 1, H, W)
        for level, block in enumerate(self.down):
            x = block(functional.max_pool2d(x, 2) if level else x)  # (B, w * 2**level, H / 2**level, W / 2**level)
            maps.append(x)
        return tuple(maps)

    def segment(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Decode the encoder's maps; gives segmentation logits (B, classes, H, W)."""
        x = self.middle(functional.max_pool2d(maps[-1], 2))  # (B, w * 2**(depth-1), H / 2**depth, W / 2**depth)
        for block, skip in zip(self.up, reversed(maps), strict=True):
            x = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(torch.cat((x, skip), dim=1))  # (B, half of the skip's channels, as the skip, as the skip)
        logits: Tensor = self.final(x)  # (B, classes, H, W)
        return logits

    def classify(self, maps: tuple[Tensor, ...]) -> Tensor:
        """Classify from the encoder's maps; gives logits (B, 2)."""
        logits: Tensor = self.branch(maps[-1])
        return logits

    def forward(self, image: Tensor) -> NetworkOutput:
        """Run all parts on (B, 1, H, W) float in [0, 1]."""
        maps = self.encode(image)
        return NetworkOutput(self.segment(maps), self.classify(maps))
