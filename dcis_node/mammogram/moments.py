"""Dates, times and the age at the exam."""

import re
from datetime import date

from pydicom import Dataset

from dcis_node.mammogram.finding import Finding
from dcis_node.mammogram.values import text

OLDEST_YEARS = 120
_UNITS_PER_YEAR = {"D": 365.25, "W": 52.18, "M": 12.0, "Y": 1.0}


def read_date(ds: Dataset, keyword: str) -> str:
    """Read a date as `YYYYMMDD`; "" if it is absent or no date of the calendar."""
    value = text(ds, keyword).replace(".", "").replace("-", "")[:8]
    return value if _calendar_date(value) else ""


def read_acquired(ds: Dataset) -> Finding[str]:
    """Read when the image was taken, as `YYYYMMDDHHMMSS`; midnight where only the date is known."""
    moment = text(ds, "AcquisitionDateTime")
    if _calendar_date(moment[:8]):
        return Finding(moment[:8] + _clock(moment[8:]), "AcquisitionDateTime (0008,002A)")
    for name in ("Acquisition", "Content", "Series", "Study"):
        day = read_date(ds, f"{name}Date")
        if day:
            return Finding(day + _clock(text(ds, f"{name}Time")), f"{name}Date and {name}Time")
    return Finding("")


def read_created(ds: Dataset) -> Finding[str]:
    """Read when the pixels were made, as `YYYYMMDDHHMMSS`: their content's moment, else that of the instance.

    Content Date and Time are those at which the creation of the pixel data began (PS3.3 C.7.6.1), Instance Creation
    Date and Time those of the object (C.12.1). An image processed again keeps its moment of acquisition and gets new
    ones of these.
    """
    for name in ("Content", "InstanceCreation"):
        day = read_date(ds, f"{name}Date")
        if day:
            return Finding(day + _clock(text(ds, f"{name}Time")), f"{name}Date and {name}Time")
    return Finding("")


def read_age(ds: Dataset) -> Finding[int | None]:
    """Read the age in whole years at the exam: Patient's Age, else Study Date less Birth Date.

    `000Y` is a filler, not an age. Note `age_sources_disagree` where the two differ by more than a year.
    """
    stated, counted = _stated_age(ds), _counted_age(ds)
    if stated is None and counted is None:
        return Finding(None)
    if stated is None:
        return Finding(counted, "StudyDate (0008,0020) less PatientBirthDate (0010,0030)")
    disagree = counted is not None and abs(stated - counted) > 1
    return Finding(stated, "PatientAge (0010,1010)", ("age_sources_disagree",) if disagree else ())


def _stated_age(ds: Dataset) -> int | None:
    match = re.fullmatch(r"(\d{1,3})([DWMY])", text(ds, "PatientAge").upper())
    if match is None or int(match[1]) == 0:
        return None
    years = int(int(match[1]) / _UNITS_PER_YEAR[match[2]])
    return years if years <= OLDEST_YEARS else None


def _counted_age(ds: Dataset) -> int | None:
    born, taken = (_calendar_date(read_date(ds, keyword)) for keyword in ("PatientBirthDate", "StudyDate"))
    if born is None or taken is None:
        return None
    years = taken.year - born.year - ((taken.month, taken.day) < (born.month, born.day))
    return years if 0 <= years <= OLDEST_YEARS else None


def _calendar_date(value: str) -> date | None:
    if re.fullmatch(r"[0-9]{8}", value) is None:
        return None
    try:
        return date(int(value[:4]), int(value[4:6]), int(value[6:]))
    except ValueError:
        return None


def _clock(value: str) -> str:
    """Give `HHMMSS` of a time or of what follows the date in a DT; zeros for what is not there."""
    digits = re.match(r"[0-9]{0,6}", value.replace(":", ""))
    return (digits[0] if digits else "").ljust(6, "0")
