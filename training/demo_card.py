"""Model card of the bundle that `demo-bundle` makes."""

from typing import Any

from dcis_node.model.bundle import Bundle

_HEAD = """# Model card: {name} {version}

**Synthetic model. Research use only. Not a medical device.** It was trained on computer-made phantoms, never on a
patient's image. It cannot say anything of a patient: its figures below are figures of phantoms, and a phantom is what
its authors put into it. It is here so that the node can be tried, tested and commissioned with every part running.

This page is written by `dcis-train demo-bundle`, from the bundle's manifest.

| | |
|---|---|
| bundle hash (SHA-256 of the manifest) | `{sha256}` |
| task | outline calcifications; probability of high risk, scenario `{scenario}` |
| positive, negative | {task} |
| network | U-Net as the paper, width {width}, depth {depth}, {norm} norm, {classes} pixel classes; {folds} folds |
| input | {input} |
| operating point | {threshold:.3f} on the calibrated probability: {rule} |
| made with | seed {seed}, {software} |

## What it was made from
{cohort}

## What it reached on held-out phantoms
Patients of the test group trained nothing and chose nothing. 95 % intervals by bootstrap over patients.

| with the lesion given (crop round its centre) | |
|---|---|
| patients, of whom high risk | {given[patients]}, {given[high_risk]} |
| patient AUC | {given_auc} |
| by fold | {by_fold} |
| Dice of the outline, mean and median over views | {given[dice_mean]:.3f}, {given[dice_median]:.3f} |
| calibration error, Brier score | {given[calibration_error]:.3f}, {given[brier]:.3f} |
| at the operating point: PPV, NPV | {given_ppv} |
| at 0.5: PPV, NPV | {half_ppv} |

| with nothing given (whole four-view exams) | |
|---|---|
| views, of which with a lesion | {found[views]}, {found[views_with_lesion]} |
| the first mark is the lesion | {first} |
| any mark is the lesion | {any} |
| false marks per view; per view of a healthy breast | {marks} |
| healthy views with a mark | {normal} |
| Dice of the outline in the whole view, misses as 0 | {whole_dice} |
| patient AUC, of {found[patients]} patients | {found_auc} |

## Limits
{limits}
"""

# With fewer, the interval of an AUC says nothing, and a chance result looks like a figure.
ENOUGH_PATIENTS = 50

_TASKS = {
    "grade": "grade III; grade I or II. Pure DCIS only: upstaged cases are left out",
    "upstage": "grade III or occult invasive cancer; grade I or II without it",
}

_LIMITS = """- A phantom has one lesion, four views, no scars, clips, implants, skin folds or masses. On a real
  mammogram, expect outlines of anything small and bright, and a probability without meaning.
- The phantom's grades differ by size, form and number of calcifications by a table of this project's making. What the
  network learnt is that table.
- The scenario is `grade`, not the clinically more realistic `upstage`: in the phantom occult invasion shows through
  grade and size only (best possible AUC 0.81 against 0.89), and the figures it is held against were measured for
  `grade`.
- Width {width} instead of the paper's 64, and {norm} norm instead of instance norm, so that five folds fit a repository
  and train on two cores.
- CC and MLO of a phantom share all that matters, so averaging them gains less than it would in life."""


def model_card(bundle: Bundle) -> str:
    """Give the card as Markdown."""
    manifest, figures = bundle.manifest, bundle.figures
    given, found = figures["given_lesion"], figures["found_lesion"]
    record = bundle.training
    spacing = manifest.preprocessing.input_spacing_mm
    return _HEAD.format(
        name=bundle.name,
        version=bundle.version,
        sha256=bundle.sha256,
        scenario=bundle.scenario,
        task=_TASKS[bundle.scenario],
        width=manifest.network.width,
        depth=manifest.network.depth,
        norm=manifest.network.norm,
        classes=manifest.network.segmentation_classes,
        folds=len(bundle.folds),
        input=f"{manifest.preprocessing.crop_px} x {manifest.preprocessing.crop_px} pixels "
        + (f"of {spacing} mm (display values averaged over their area)" if spacing else "as stored"),
        threshold=manifest.threshold,
        rule=record["chosen_on_calibration"]["rule"],
        seed=record["seed"],
        software=", ".join(f"{name} {version}" for name, version in record["software"].items()),
        cohort=_cohort(record),
        given=given,
        found=found,
        given_auc=_interval(given["patient_auc"]),
        by_fold=", ".join(_number(value) for value in given["patient_auc_by_fold"]),
        given_ppv=_predictive(given["operating_point"]),
        half_ppv=_predictive(given["at_one_half"]),
        first=_share(found["hit_rate_first"]),
        any=_share(found["hit_rate_any"]),
        marks=f"{_number(found['false_marks_per_view'])}; {_number(found['false_marks_per_normal_view'])}",
        normal=_share(found["normal_views_marked"]),
        whole_dice=_number(found["dice_mean"]),
        found_auc=_interval(found["patient_auc"])
        if found["patients"] >= ENOUGH_PATIENTS
        else "not given: too few patients",
        limits=_LIMITS.format(width=manifest.network.width, norm=manifest.network.norm),
    )


def _cohort(record: dict[str, Any]) -> str:
    sizes = record["plan"]["sizes"]
    fit = record["plan"]["fit"]
    joint = fit["joint"]
    return (
        f"Phantom patients, no one in two groups: {sizes['pretraining']} for the network that all folds start from, "
        f"{sizes['training']} for the folds (each a random, stratified 80/20 split of them), "
        f"{sizes['calibration']} for calibration, operating point and localisation settings, {sizes['test']} for the "
        f"test ({sizes['whole_test']} of them as whole exams). Two lesion views each, and "
        f"{sizes['pretraining_negatives']} and {sizes['training_negatives']} regions of healthy breasts in the first "
        f"two groups.\n\n"
        f"Stages: {record['stages']}. Joint stage: {joint['steps']} steps of {joint['batch']} crops of "
        f"{fit['train_crop_px']} pixels, a share of {joint['segmented_share']} of them through the decoder; losses as "
        f"the paper (focal, top-k cross entropy), the focal one weighted {joint['classification_weight']}. "
        "Validation of the folds: patient AUC "
        + ", ".join(_number(fold["patient_auc"]) for fold in record["folds"])
        + "; Dice "
        + ", ".join(_number(fold["dice"]) for fold in record["folds"])
        + "."
    )


def _interval(value: dict[str, float | None]) -> str:
    return f"{_number(value['value'])} ({_number(value['low'])} to {_number(value['high'])})"


def _predictive(values: dict[str, float | None]) -> str:
    return ", ".join(_number(values[name]) for name in ("ppv", "npv"))


def _share(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.0f} %"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
