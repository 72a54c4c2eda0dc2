"""Under which licences the dependencies stand, and which of them are allowed.

Everything is read from the metadata that the installed packages carry; a package that says it in another way than by
SPDX or by a classifier is named here by hand, with the reason.
"""

import csv
from collections.abc import Mapping
from functools import cache
from importlib.metadata import Distribution
from io import StringIO

from license_expression import ExpressionError, Licensing, get_spdx_licensing

# Permissive, or copyleft of single files only (MPL-2.0): a hospital may run, change and pass on the whole. GPL and AGPL
# would bind the whole; LGPL asks that a part can be exchanged, which a wheel with everything inside does not offer.
ALLOWED = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CC0-1.0", "HPND", "ISC", "MIT", "MIT-0"}
    | {"MIT-CMU", "MPL-2.0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib", "Apache-2.0 WITH LLVM-exception"}
)
# Run on our machines only, never passed on: what GPL and LGPL ask of those who pass on does not arise.
ALLOWED_TOOLS = ALLOWED | {"LGPL-2.1-or-later", "LGPL-3.0-or-later"}
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
WORDS = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "bsd": "BSD-3-Clause",
    "bsd-2-clause": "BSD-2-Clause",
    "bsd-3-clause": "BSD-3-Clause",
    "mit": "MIT",
}
# Name: licence, and how it is known. NVIDIA's packages come with torch's CUDA wheel, on a host with a GPU only.
BY_HAND: Mapping[str, tuple[str, str]] = {}
REFUSED_NAMES = {"pylibjpeg-libjpeg": "GPL-3.0: JPEG lossless is decoded by python-gdcm (Apache-2.0) instead"}
NVIDIA = "nvidia-"


def licence_of(dist: Distribution) -> str:
    """Give the licence as an SPDX expression; "" if the metadata do not say it."""
    metadata = dist.metadata
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [one.rpartition(" :: ")[2] for one in metadata.get_all("Classifier") or () if one.startswith("Lic")]
    known = sorted({CLASSIFIERS[one] for one in classifiers if one in CLASSIFIERS})
    return " AND ".join(known) or WORDS.get(str(metadata.get("License") or "").strip().lower(), "")


def is_allowed(expression: str, allowed: frozenset[str] = ALLOWED) -> bool:
    """Tell whether an expression can be met with allowed licences only: all of an AND, one of an OR."""
    try:
        parsed = _spdx().parse(expression, validate=True)
    except ExpressionError:
        return False
    return parsed is not None and _met(parsed, allowed)


@cache
def _spdx() -> Licensing:
    return get_spdx_licensing()


def _met(node: object, allowed: frozenset[str]) -> bool:
    spdx = _spdx()
    if isinstance(node, spdx.AND):
        return all(_met(part, allowed) for part in node.args)
    if isinstance(node, spdx.OR):
        return any(_met(part, allowed) for part in node.args)
    return str(node) in allowed


def faults(found: Mapping[str, Distribution], allowed: frozenset[str] = ALLOWED) -> list[str]:
    """List what is not allowed or not known."""
    told = []
    for name, dist in sorted(found.items()):
        if name in REFUSED_NAMES:
            told.append(f"{name}: {REFUSED_NAMES[name]}")
        elif name.startswith(NVIDIA):
            continue  # runs only where the hospital has installed it with its driver, under NVIDIA's own terms
        elif not (licence := BY_HAND.get(name, (licence_of(dist), ""))[0]):
            told.append(f"{name}: its metadata name no licence: name it in BY_HAND, with the reason")
        elif not is_allowed(licence, allowed):
            told.append(f"{name}: {licence} is not allowed")
    return told


def table(found: Mapping[str, Distribution]) -> str:
    """Write name, version and licence of each as CSV."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("distribution", "version", "licence"))
    for name, dist in sorted(found.items()):
        writer.writerow((name, dist.version, BY_HAND.get(name, (licence_of(dist), ""))[0]))
    return out.getvalue()
