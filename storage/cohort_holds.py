"""The images that training cohorts name: they stay, however old they are.

A cohort is a folder with `cohort.json`, written by the training wing and never changed; this node knows no more of it
than its format, its own digest and the digests of its images. One that cannot be read may name any image: the caller
then removes none.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from dcis_node.canonical import digest
from dcis_node.errors import StorageError

COHORT_NAME, COHORT_FORMAT = "cohort.json", "dcis-cohort/1"
# What its digest is of: all but where the images are now.
CONTENT = ("format", "synthetic", "views", "exclusions", "flow", "source")


def held_images(folders: Iterable[Path]) -> frozenset[str]:
    """Give the SHA-256 digests of all images that cohorts name.

    Parameters
    ----------
    folders
        Of the cohorts.

    Raises
    ------
    StorageError
        A cohort is missing, damaged, edited, or of another format; the text names its folder.
    """
    return frozenset().union(*map(_images_of, folders))


def _images_of(folder: Path) -> frozenset[str]:
    path = folder / COHORT_NAME
    try:
        listed = json.loads(path.read_text(encoding="ascii"))
        content = {name: listed[name] for name in CONTENT}
        images = frozenset(str(view["sha256"]) for view in listed["views"])
        whole = content["format"] == COHORT_FORMAT and digest(content) == listed["sha256"]
    except OSError as error:
        raise StorageError(f"cohort {path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(f"cohort {path} is damaged ({type(error).__name__})") from error
    if not whole:
        raise StorageError(f"cohort {path} was edited, or is of another format: it does not have its hash")
    return images
