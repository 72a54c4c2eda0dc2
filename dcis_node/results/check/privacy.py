"""No value of the patient stands outside the patient's own attributes, in whatever element and form.

The search asks for values that can be told from anything else: names of several parts as a whole or two parts side by
side, numbers of six characters and more, the date of birth. A short number ("1") or a single name part ("Long", "CC")
cannot be told from words of ours, and no exam may fail for them. Where nothing of ours belongs at all, nothing is
searched but everything refused: private elements, unknown value representations, bytes beside the pixels, UIDs of
foreign roots, and texts that are not plain ASCII, as names of patients often are not.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import permutations

from pydicom import DataElement, Dataset
from pydicom.config import RAISE
from pydicom.valuerep import validate_value

from dcis_node.results.answer import ExamAnswer
from dcis_node.results.check.reading import demand, stored, within
from dcis_node.results.hanging import hung
from dcis_node.results.identity import COPIED, made_at

# Attributes of a source whose values tell who the patient is, or which visit it was.
_NAMES = ("PatientName", "OtherPatientNames", "PatientBirthName", "PatientMotherBirthName", "ReferringPhysicianName")
_NUMBERS = (
    "PatientID",
    "OtherPatientIDs",
    "AccessionNumber",
    "AdmissionID",
    "MedicalRecordLocator",
    "PatientAddress",
    "PatientTelephoneNumbers",
)
_SHORTEST_NUMBER = 6
_SHORTEST_NAME_PART = 3
# Names are kept however long they came, and each two parts make a form to search for.
_MOST_NAME_PARTS = 8

# Texts of ours live in these; others hold numbers, times and codes.
_TEXT_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})
_DATE_VRS = frozenset({"DA", "DT"})
_CHECKED_VRS = frozenset({"AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "SH", "ST", "TM", "UI"})
# Words of the standard and of our own tables, which no patient can have put there.
_CODED = frozenset({"CodeMeaning", "CodeValue", "CodingSchemeDesignator", "CodingSchemeName"})
# Of the image's own grey scale, told again by a presentation state: not in our words.
_COPIED_WORDS = frozenset({"LUTExplanation", "WindowCenterWidthExplanation", "ModalityLUTType"})
# The only bytes that a result holds.
_BYTES = frozenset({"PixelData", "LUTData", "ICCProfile", "FileMetaInformationVersion"})
_BYTE_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "UN"})
_META = frozenset(
    {
        "FileMetaInformationGroupLength",
        "FileMetaInformationVersion",
        "MediaStorageSOPClassUID",
        "MediaStorageSOPInstanceUID",
        "TransferSyntaxUID",
        "ImplementationClassUID",
        "ImplementationVersionName",
    }
)
# PS3.5 B.2: derived UIDs, ours and those of others; the standard's own; those of the coding schemes of HL7.
_ROOTS = ("2.25.", "1.2.840.10008.", "2.16.840.1.113883.")
# PS3.5 9.1, but for the leading zeros.
_UID = re.compile(r"(?=.{1,64}$)[0-9]+(\.[0-9]+)*")
_LIKE_OURS = re.compile(r"[0-9A-Fa-f.\-/: ]*")
_PRINTABLE = re.compile(r"[\r\n\t -~]*")


@dataclass(frozen=True)
class Telling:
    """What tells a patient: compiled once for an answer.

    Parameters
    ----------
    texts
        Finds a value in a text of ours, None if no value tells.
    dates
        Dates of birth as DA, but for those that are also a date of the exam or of the decision.
    uids
        All UIDs that the exam knows.
    """

    texts: re.Pattern[str] | None
    dates: frozenset[str]
    uids: frozenset[str]


def telling_of(answer: ExamAnswer, uids: Iterable[str]) -> Telling:
    """Collect what tells the patient in the headers of the exam's images.

    Parameters
    ----------
    uids
        Of all objects, series and studies that a result may name.
    """
    sources = [image.attributes for image in hung(answer)]
    own_texts = " ".join(_own_texts(answer))
    births = {date for ds in sources for date in _values(ds, "PatientBirthDate") if len(date) == 8}
    dates = births - {_date(answer, ds) for ds in sources} - {d for ds in sources for d in _dates_of_exam(ds)}
    words = {form for ds in sources for form in (*_name_forms(ds), *_numbers(ds))}
    words |= {form for date in dates for form in _date_forms(date)}
    # Longer ones first, as the first that fits is taken.
    found = sorted((_pattern(word) for word in words if word not in own_texts), key=len, reverse=True)
    texts = re.compile("|".join(found), re.IGNORECASE) if found else None
    return Telling(texts, frozenset(dates), frozenset(uids))


def _pattern(word: str) -> str:
    """Give the pattern that finds a value: anywhere if it is like nothing of ours, else only where it stands alone.

    A name may by chance be a part of words; a run of hexadecimal digits a part of a hash; digits and dots a version.
    """
    escaped = re.escape(word)
    if _LIKE_OURS.fullmatch(word):
        return rf"(?<![\w.\-/]){escaped}(?![\w\-/]|\.\w)"
    return escaped if any(c.isdigit() for c in word) else rf"(?<!\w){escaped}(?!\w)"


def check_privacy(ds: Dataset, telling: Telling) -> None:
    """Search an object for its patient, outside of the attributes that were copied on purpose.

    Raises
    ------
    ResultError
        Naming the tag, never the value.
    """
    for element in ds.file_meta:
        demand(element.keyword in _META, f"{element.tag}: the file meta information holds what is not of ours")
    for top in stored(ds):
        keyword = top.keyword
        if keyword in COPIED:
            continue
        # The mammograph's name and numbers are copied as they come.
        ours = keyword != "ContributingEquipmentSequence"
        for element in within(top):
            # Words are put together only where one is needed: there are thousands of elements.
            fault = _fault(element, telling, ours=ours)
            demand(not fault, f"{element.tag}: {fault}" if fault else "")


def _fault(element: DataElement, telling: Telling, *, ours: bool) -> str:
    """Say what is wrong with an element, or ""."""
    keyword, group, vr = element.keyword, element.tag >> 16, element.VR
    if group == 0x0010:
        return "a patient attribute stands where none belongs"
    if group & 1 or not keyword:
        return "an element is private or unknown"
    if vr in _BYTE_VRS:
        return "" if keyword in _BYTES else "bytes stand where none belong"
    # A UID of the exam is told as it came, and some senders write components with leading zeros.
    known = vr == "UI" and all(value in telling.uids and _UID.fullmatch(value) for value in _each(element))
    if ours and vr in _CHECKED_VRS and not known and not _fits_vr(element):
        return "a value breaks its VR"
    if vr in _TEXT_VRS:
        return _fault_of_text(element, telling, plain=ours and keyword not in _COPIED_WORDS)
    if vr in _DATE_VRS and any(value[:8] in telling.dates for value in _each(element)):
        return "a date is that of the patient"
    if vr == "UI" and not all(v in telling.uids or not v or v.startswith(_ROOTS) for v in _each(element)):
        return "a UID is neither ours nor of the exam"
    return ""


def _fault_of_text(element: DataElement, telling: Telling, *, plain: bool) -> str:
    for value in _each(element):
        if plain and not _PRINTABLE.fullmatch(value):
            return "a text of ours is not plain"
        if telling.texts is None or element.keyword in _CODED:
            continue
        if telling.texts.search(" ".join(value.split())) is not None:
            return "a text names the patient"
    return ""


def _each(element: DataElement) -> Iterator[str]:
    """Give each value of an element as text; none of a sequence or of bytes."""
    if element.VR == "SQ" or element.VR in _BYTE_VRS or element.value is None:
        return
    for value in element.value if element.VM > 1 else [element.value]:
        yield str(value)


def _values(ds: Dataset, keyword: str) -> list[str]:
    """Give the values of an attribute on the top level, and in Other Patient IDs where it stands there too."""
    items = [ds, *(ds.get("OtherPatientIDsSequence") or ())]
    return [value.strip() for item in items if keyword in item for value in _each(item[keyword])]


def _name_forms(ds: Dataset) -> Iterator[str]:
    """Give each name as it is written whole, and two of its parts side by side, in either order."""
    for keyword in _NAMES:
        for name in _values(ds, keyword):
            for group in name.split("="):
                if "^" in group.strip("^"):
                    yield group.strip("^")
                parts = [part for part in re.split(r"[\W_]+", group) if len(part) >= _SHORTEST_NAME_PART]
                for first, second in permutations(sorted(set(parts[:_MOST_NAME_PARTS])), 2):
                    yield from (f"{first}{between}{second}" for between in (" ", ", ", "^", "_"))


def _numbers(ds: Dataset) -> Iterator[str]:
    """Give the numbers that are long enough to be told from others."""
    for keyword in _NUMBERS:
        for value in _values(ds, keyword):
            plain = " ".join(value.split())
            if len(plain) >= _SHORTEST_NUMBER and any(c.isdigit() for c in plain):
                yield plain


def _date_forms(date: str) -> tuple[str, ...]:
    year, month, day = date[:4], date[4:6], date[6:]
    return date, f"{year}-{month}-{day}", f"{day}.{month}.{year}", f"{day}/{month}/{year}", f"{month}/{day}/{year}"


def _date(answer: ExamAnswer, ds: Dataset) -> str:
    return made_at(answer, ds).strftime("%Y%m%d")


def _dates_of_exam(ds: Dataset) -> Iterator[str]:
    for element in ds:
        if element.VR in _DATE_VRS and element.keyword != "PatientBirthDate":
            yield from (value[:8] for value in _each(element))


def _own_texts(answer: ExamAnswer) -> Iterator[str]:
    """Give what the node says of itself and of the mammograph, which may by chance be a number of the patient."""
    yield from (form for i in hung(answer) for form in _date_forms(_date(answer, i.attributes)))
    yield from (str(value) for value in vars(answer.equipment).values())
    yield from (str(value) for value in vars(answer.model).values())
    for image in hung(answer):
        for keyword in ("Manufacturer", "ManufacturerModelName", "DeviceSerialNumber", "SoftwareVersions"):
            yield from _values(image.attributes, keyword)


def _fits_vr(element: DataElement) -> bool:
    """Tell if each value keeps its VR (PS3.5 6.2)."""
    try:
        for value in element.value if element.VM > 1 else [element.value]:
            validate_value(element.VR, str(value) if value is not None else "", RAISE)
    except ValueError:
        return False
    return True
