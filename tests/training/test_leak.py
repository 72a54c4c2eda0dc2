"""No way round: what the labels do not say, a fit cannot know about those it did not train on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dcis_node.model.network import UNet
from tests.training.fitted import GRADES, JOINT, SEGMENTATION, crude_store, fit_job, tiny_recipe
from training.checkpoint import read_weights
from training.cohort import patient_labels
from training.engine import fit
from training.plain import plain_crop
from training.statistics import auroc

PATIENTS = 60
TRAINING = [f"p{number}" for number in range(20)]
HELD_OUT = [f"p{number}" for number in range(20, PATIENTS)]


def held_out_auc(folder: Path, grades: dict[int, int]):
    store = crude_store(folder / "store", patients=PATIENTS, grades=grades)
    stages = (
        replace(SEGMENTATION, epochs=3, keep="last"),
        replace(JOINT, epochs=8, negative_share=0.0, segmented_share=0.5),
    )
    recipe = tiny_recipe(*stages, dropout=0.0, steps_per_epoch=8, micro_batch=8)
    fit(fit_job(folder / "fold", store, recipe, training=TRAINING, validation=()))
    network = UNet(recipe.network)
    read_weights(folder / "fold" / "weights.safetensors", network)
    network.eval()
    scores: dict[str, list[float]] = {patient: [] for patient in HELD_OUT}
    for index, region in enumerate(store.regions):
        if region.view.patient in scores:
            image, _ = plain_crop(store, index, recipe=recipe, size_px=32)
            with torch.inference_mode():
                output = network(torch.from_numpy(image)[None, None])
            scores[region.view.patient].append(float(output.classification.softmax(1)[0, 1]))
    truth = patient_labels([region.view for region in store.regions], "grade")
    return auroc([truth[patient] for patient in scores], [float(np.mean(s)) for s in scores.values()], seed=0)


def test_shuffled_labels_teach_nothing_about_others_and_true_ones_do(tmp_path: Path):
    torch.set_num_threads(1)
    told = [GRADES[number % 4] for number in range(PATIENTS)]
    shuffled = dict(enumerate(np.random.default_rng(3).permutation(told).tolist()))
    leak = held_out_auc(tmp_path / "shuffled", shuffled)
    assert leak.low <= 0.5 <= leak.high
    # The same fit does learn where there is something to learn, so the test above can fail.
    assert held_out_auc(tmp_path / "true", {}).low > 0.5
