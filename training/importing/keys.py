"""Keys of patients: their order tells nothing of hospital numbers, and equal data gives equal keys."""

import csv
import hashlib
import hmac
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from dcis_node.errors import TrainingError


def patient_keys(patient_ids: Iterable[str], file_hashes: Iterable[str]) -> dict[str, str]:
    """Give each patient a key `patient-0001` ...

    The order is that of a keyed hash (HMAC-SHA256) whose key is made of all image files' hashes: without the images
    nobody can tell a place in it from a hospital number, not even by trying all numbers.

    Parameters
    ----------
    patient_ids
        Hospital numbers, each once.
    file_hashes
        SHA-256 of the image files, in any order.
    """
    secret = hashlib.sha256("".join(sorted(file_hashes)).encode("ascii")).digest()
    places = {id_: hmac.digest(secret, id_.encode("utf-8"), "sha256") for id_ in patient_ids}
    ordered = sorted(places, key=lambda id_: places[id_])
    return {id_: f"patient-{number:04d}" for number, id_ in enumerate(ordered, start=1)}


def write_key_file(path: Path, keys: Mapping[str, str], *, cohort: Path) -> None:
    """Write hospital numbers beside their keys, readable by the owner only.

    Raises
    ------
    TrainingError
        If the file exists, or would lie in the cohort's folder, which is passed on.
    """
    if path.resolve().is_relative_to(cohort.resolve()):
        raise TrainingError("the key file must not lie in the cohort's folder: that folder is passed on, it is not")
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        msg = f"the key file cannot be written ({error.strerror})"
        raise TrainingError(msg) from None
    with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("patient_id", "key"))
        table.writerows((id_, key) for key, id_ in sorted((key, id_) for id_, key in keys.items()))
