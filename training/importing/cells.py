"""Read one cell of a clinical table: what hospitals write for grades, yes and no, numbers."""

import re
from collections.abc import Callable
from types import MappingProxyType
from typing import TypeVar

# What stands for "not known" in exports of SPSS, R, Excel and of hospital systems.
UNKNOWN = frozenset({"", "na", "n/a", "nan", "null", "none", "unknown", "missing", "-", ".", "?", "onbekend"})

_GRADES = MappingProxyType(
    {
        **dict.fromkeys(("1", "1.0", "i", "low", "well"), 1),
        **dict.fromkeys(("2", "2.0", "ii", "intermediate", "moderate"), 2),
        **dict.fromkeys(("3", "3.0", "iii", "high", "poor"), 3),
    }
)
_ANSWERS = MappingProxyType(
    {
        **dict.fromkeys(("yes", "y", "1", "true", "present", "ja"), True),
        **dict.fromkeys(("no", "n", "0", "false", "absent", "nee"), False),
    }
)
_SUSPICIONS = ("suspicion", "suspicious", "suspected", "evidence")
_SIDES = MappingProxyType(
    {**dict.fromkeys(("r", "right", "rechts"), "R"), **dict.fromkeys(("l", "left", "links"), "L")}
)
_DENSITIES = MappingProxyType({"1": "a", "2": "b", "3": "c", "4": "d", "a": "a", "b": "b", "c": "c", "d": "d"})
_DETECTIONS = MappingProxyType(
    {
        **dict.fromkeys(("screening", "screen", "screen-detected", "screen detected"), "screening"),
        **dict.fromkeys(("symptomatic", "symptoms", "clinical"), "symptomatic"),
        # Found otherwise (follow-up, second opinion): the paper counts these as unknown.
        **dict.fromkeys(("other", "follow-up", "referral", "second opinion"), ""),
    }
)
OLDEST_YEARS = 120
LARGEST_MM = 400.0

Cell = str | int | float | bool | None
Value = TypeVar("Value", int, bool, str)


def grade(cell: str) -> int | None:
    """Read a DCIS grade: 1, 2, 3; I, II, III; low, intermediate, high; each with or without `grade` before it.

    Raises
    ------
    ValueError
        With the allowed values, never with the cell.
    """
    word = re.sub(r"^(dcis|grade|gr\.?|g)[ :]*(grade)?[ :]*", "", _plain(cell))
    word = re.sub(r"[ -]*grade$", "", word)
    return _of(_GRADES, word, "I, II, III, 1, 2, 3, low, intermediate, high or empty")


def answer(cell: str) -> bool | None:
    """Read yes or no.

    Raises
    ------
    ValueError
        As `grade`.
    """
    return _of(_ANSWERS, _plain(cell), "yes, no or empty")


def finding(cell: str) -> bool | None:
    """Read yes or no, where a suspicion counts as yes (the paper excludes suspicion of, or evidence for, IBC).

    Raises
    ------
    ValueError
        As `grade`.
    """
    word = _plain(cell)
    return True if word.startswith(_SUSPICIONS) else _of(_ANSWERS, word, "yes, no, suspicion, evidence or empty")


def side(cell: str) -> str:
    """Read a side: R, L or "" where unknown.

    Raises
    ------
    ValueError
        As `grade`.
    """
    return _of(_SIDES, _plain(cell), "R, L, right, left or empty") or ""


def density(cell: str) -> str:
    """Read a BI-RADS density: `a` ... `d` or "".

    Raises
    ------
    ValueError
        As `grade`.
    """
    return _of(_DENSITIES, _plain(cell), "a, b, c, d, 1, 2, 3, 4 or empty") or ""


def detection(cell: str) -> str:
    """Read how the lesion was found: `screening`, `symptomatic` or "".

    Raises
    ------
    ValueError
        As `grade`.
    """
    return _of(_DETECTIONS, _plain(cell), "screening, symptomatic, other or empty") or ""


def age(cell: str) -> int | None:
    """Read an age in whole years, 0 to 120.

    Raises
    ------
    ValueError
        As `grade`.
    """
    value = _number(re.sub(r" *y(ears?)?$", "", _plain(cell)))
    if value is not None and not 0 <= value <= OLDEST_YEARS:
        raise ValueError(f"years from 0 to {OLDEST_YEARS}, or empty")
    return None if value is None else int(value)


def size_mm(cell: str) -> float | None:
    """Read a size in mm, with decimal point or comma; 0 to 400.

    Raises
    ------
    ValueError
        As `grade`.
    """
    value = _number(re.sub(r" *mm$", "", _plain(cell)))
    if value is not None and not 0 <= value <= LARGEST_MM:
        raise ValueError(f"mm from 0 to {LARGEST_MM:g}, with decimal point or comma, or empty")
    return value


def words(cell: str) -> str:
    """Take the cell as it is, without space around it."""
    return cell.strip()


Reader = Callable[[str], Cell]


def _plain(cell: str) -> str:
    return " ".join(cell.strip().lower().split())


def _of(known: MappingProxyType[str, Value], word: str, allowed: str) -> Value | None:
    if word in UNKNOWN:
        return None
    if word not in known:
        raise ValueError(allowed)
    return known[word]


def _number(word: str) -> float | None:
    if word in UNKNOWN:
        return None
    if re.fullmatch(r"[0-9]{1,6}([.,][0-9]{0,6})?", word) is None:
        raise ValueError("a number with decimal point or comma, or empty")
    return float(word.replace(",", "."))
