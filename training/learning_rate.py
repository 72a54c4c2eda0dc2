"""The learning rate of each step: linear warm-up, then halving or a cosine. A pure rule."""

import math

from training.recipe import Stage

# Where the cosine ends: as good as still, and the last steps still move.
_COSINE_END = 0.01


def peak_rate(stage: Stage) -> float:
    """Give the stage's rate for its batch: linear in the batch, as the paper adapted it to what filled its GPU."""
    return stage.learning_rate * stage.batch / stage.reference_batch


def learning_rate(stage: Stage, step: int, *, steps_per_epoch: int) -> float:
    """Give the rate of a step.

    Parameters
    ----------
    step
        0-based within the stage.
    steps_per_epoch
        What an epoch is, as warm-up and halving count in epochs. The paper's "each 150 iterations" is read as epochs,
        as the lab's settings have it: with iterations the rate would end at a 2**-116th.

    Returns
    -------
    The rate; the warm-up's first step is above 0, its last is the peak.
    """
    peak = peak_rate(stage)
    warm_up = round(stage.warm_up_epochs * steps_per_epoch)
    rising = min(1.0, (step + 1) / warm_up) if warm_up else 1.0
    if stage.schedule == "halving":
        return float(peak * rising * 0.5 ** (step // steps_per_epoch // stage.halve_every))
    if step < warm_up:
        return peak * rising
    done = (step - warm_up) / max(1, stage.epochs * steps_per_epoch - warm_up)
    share = 0.5 * (1.0 + math.cos(math.pi * min(done, 1.0)))
    return peak * (_COSINE_END + (1.0 - _COSINE_END) * share)
