"""Recipes by name: files beside this one, or a researcher's own."""

import tomllib
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from pydantic import ValidationError

from dcis_node.errors import TrainingError
from training.recipe import Recipe

_SUFFIX = ".toml"


def recipe_names() -> tuple[str, ...]:
    """Give the names of the recipes that come with the program, sorted."""
    return tuple(sorted(f.name.removesuffix(_SUFFIX) for f in _folder().iterdir() if f.name.endswith(_SUFFIX)))


def load_recipe(name: str | Path) -> Recipe:
    """Read a recipe: one that comes with the program, by its name, or a file that ends in `.toml`.

    Raises
    ------
    TrainingError
        If there is none, it is no TOML, or a key is unknown or has a value that is not allowed; the text names each.
    """
    word = str(name)
    if word in recipe_names():
        text = (_folder() / f"{word}{_SUFFIX}").read_text(encoding="utf-8")
    elif word.endswith(_SUFFIX):
        text = _read(Path(word))
    else:
        msg = f"there is no recipe {word!r}; there are {', '.join(recipe_names())}, or a file that ends in {_SUFFIX}"
        raise TrainingError(msg)
    return _parse(text, word)


def _folder() -> Traversable:
    # A folder of files without code, so it is found beside this module and not as a package of its own.
    return resources.files("training") / "recipes"


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError(f"the recipe {path} cannot be read: {type(error).__name__}") from error


def _parse(text: str, word: str) -> Recipe:
    try:
        return Recipe(**tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise TrainingError(f"the recipe {word} is no TOML: {error}") from error
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise TrainingError(f"the recipe {word} cannot be used: {faults}") from error
