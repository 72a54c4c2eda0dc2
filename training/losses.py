"""The two losses of the paper: focal for the image, top-k cross entropy for the pixels.

Cancer Imaging 2024, 24:48, Methods; gamma and the fraction are from the lab's public settings.
"""

import torch
from torch import Tensor
from torch.nn import functional


def focal_loss(logits: Tensor, labels: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Give the mean of -(1 - p)**gamma * log(p), p being the probability of the true class.

    Parameters
    ----------
    logits
        (B, classes) float.
    labels
        (B,) int64; -1 = the image has no label and does not count.
    gamma
        0 is plain cross entropy; the larger, the less an image counts that is already right.

    Returns
    -------
    Scalar; 0 with a gradient of 0 if no image has a label.
    """
    known = labels >= 0
    if not bool(known.any()):
        return logits.sum() * 0.0
    log_p = functional.log_softmax(logits[known].float(), dim=1)
    log_p = log_p.gather(1, labels[known, None]).squeeze(1)
    return (-((1.0 - log_p.exp()) ** gamma) * log_p).mean()


def topk_cross_entropy(
    logits: Tensor, labels: Tensor, *, fraction: float = 0.05, class_weights: Tensor | None = None
) -> Tensor:
    """Give the mean cross entropy over the worst pixels of each image.

    Almost all pixels are background and soon right; their mean would drown the few that matter (with all pixels
    the small network collapsed to background, facts of the prototype).

    Parameters
    ----------
    logits
        (B, classes, H, W) float.
    labels
        (B, H, W) int64.
    fraction
        Share of an image's pixels that counts, at least one pixel.
    class_weights
        (classes,) factor on a pixel's loss by its true class; None = 1.

    Returns
    -------
    Scalar.
    """
    losses = functional.cross_entropy(logits.float(), labels, reduction="none")  # (B, H, W)
    if class_weights is not None:
        losses = losses * class_weights[labels]
    flat = losses.flatten(1)  # (B, H * W)
    k = max(1, round(flat.shape[1] * fraction))
    return torch.topk(flat, k, dim=1, sorted=False).values.mean()
