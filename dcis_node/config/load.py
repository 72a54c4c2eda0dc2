"""Read config.toml, and say of each fault what is allowed."""

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from dcis_node.config.configuration import Configuration
from dcis_node.errors import ConfigurationError


def load_configuration(path: Path) -> Configuration:
    """Read config.toml.

    Parameters
    ----------
    path
        The file. Relative folders in it are taken from its own folder.

    Returns
    -------
    Configuration
        Frozen settings.

    Raises
    ------
    ConfigurationError
        The file is missing, is not TOML, has an unknown key or a value that is not allowed. The text has one line per
        fault: file, key, value, and what is allowed.
    """
    return parse_configuration(read_settings(path), path)


def read_settings(path: Path) -> bytes:
    """Read the file; what is in it is not looked at.

    Raises
    ------
    ConfigurationError
        It is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigurationError(f"{path}: no such file; write one, or name it with --config") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read ({type(error).__name__})") from error


def parse_configuration(text: bytes, path: Path) -> Configuration:
    """Make settings from the bytes of a file at `path` (see `load_configuration`)."""
    try:
        values = tomllib.loads(text.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"{path}: cannot be read ({type(error).__name__})") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path}: not TOML: {error}") from error
    return configuration_from(values, path)


def configuration_from(values: dict[str, Any], path: Path) -> Configuration:
    """Make settings from the values of a file at `path` (see `load_configuration`)."""
    if "base" in values:
        raise ConfigurationError(f"{path}: base = {values['base']!r}: unknown key; allowed: {_keys_of(())}")
    try:
        return Configuration.model_validate({**values, "base": path.parent})
    except ValidationError as error:
        lines = [_fault(path, fault) for fault in error.errors()]
        raise ConfigurationError("\n".join(lines)) from error


def _fault(path: Path, fault: Any) -> str:  # noqa: ANN401 -- pydantic's own type of an error
    location = tuple(fault["loc"])
    key = ".".join(str(part) for part in location) or "(file)"
    if fault["type"] == "extra_forbidden":
        return f"{path}: {key} = {fault['input']!r}: unknown key; allowed: {_keys_of(location[:-1])}"
    if fault["type"] == "missing":
        return f"{path}: {key}: is missing; it has no default"
    value = "" if isinstance(fault["input"], dict) else f" = {fault['input']!r}"
    return f"{path}: {key}{value}: not allowed: {fault['msg'].removeprefix('Value error, ')}"


def _keys_of(location: tuple[int | str, ...]) -> str:
    """Name the keys that exist at a place of the file."""
    model: Any = Configuration
    for part in location:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        model = next((a for a in getattr(annotation, "__args__", ()) if isinstance(a, type)), annotation)
    return ", ".join(sorted(name for name in model.model_fields if name != "base"))
