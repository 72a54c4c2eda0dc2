from pathlib import Path

import pytest

from dcis_node.errors import TrainingError
from dcis_node.model.network import PRESETS
from training.recipe import Recipe
from training.recipes import load_recipe, recipe_names


def test_the_recipes_of_the_program_all_load_under_their_own_names():
    assert recipe_names() == ("demo", "paper", "quick", "width16")
    assert [load_recipe(name).name for name in recipe_names()] == list(recipe_names())


def test_the_paper_is_as_it_is_printed():
    recipe = load_recipe("paper")
    assert recipe.network == PRESETS["paper"]
    assert (recipe.train_crop_px, recipe.folds, recipe.focal_gamma, recipe.topk_fraction) == (1024, 5, 2.0, 0.05)
    assert (recipe.weight_decay, recipe.preprocessing.input_spacing_mm, recipe.pretraining) == (1e-4, None, ())
    segmentation, joint = recipe.stages
    assert segmentation.epochs + joint.epochs == 500
    assert (segmentation.classification_weight, segmentation.keep, joint.classification_weight) == (0.0, "best_dice", 1)
    for stage in recipe.stages:
        assert (stage.batch, stage.learning_rate, stage.schedule, stage.halve_every) == (16, 2.5e-4, "halving", 150)
        assert (stage.warm_up_epochs, stage.sampler, stage.segmented_share) == (0.5, "pass", 1.0)
    augmentation = recipe.augmentation
    assert augmentation.shift_mm / 0.07 == pytest.approx(150)
    assert (augmentation.flip, augmentation.gamma, augmentation.noise) == (0.5, (0.95, 1.05), 0.05)


def test_width16_is_the_paper_with_fewer_filters():
    paper, small = load_recipe("paper").to_json(), load_recipe("width16").to_json()
    paper["network"]["width"], paper["name"] = 16, "width16"
    assert small == paper


def test_a_recipe_survives_its_plain_values():
    for name in recipe_names():
        recipe = load_recipe(name)
        assert Recipe(**recipe.to_json()) == recipe


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[network]\nwidht = 8", r"network\.widht"),
        ("[augmentation]\nnosie = 1", r"augmentation\.nosie"),
        ("[[stages]]\nname = 'a'\nepochs = 0", r"stages\.0\.epochs"),
        ("colour = 1", "colour"),
        ("name = ", "no TOML"),
    ],
)
def test_what_is_unknown_or_not_allowed_is_named(tmp_path: Path, text: str, named: str):
    (tmp_path / "mine.toml").write_text(text)
    with pytest.raises(TrainingError, match=named):
        load_recipe(tmp_path / "mine.toml")


def test_an_unknown_name_is_answered_with_the_known_ones(tmp_path: Path):
    with pytest.raises(TrainingError, match="demo, paper, quick, width16"):
        load_recipe("papre")
    with pytest.raises(TrainingError, match="cannot be read"):
        load_recipe(tmp_path / "none.toml")
