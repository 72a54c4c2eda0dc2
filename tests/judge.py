"""The project's own judge: DICOM objects before tools that we did not write.

    tool       Debian package      judges                what it does not see
    dciodvfy   dicom3tools         every object          the rows of SR templates
    dsrdump    dcmtk               SR                    the same
    dcmpschk   dcmtk               presentation states   passes whatever is none, so it is asked for these only
    PixelMed   libpixelmed-java    SR                    nothing of the templates of 2022, but newer rows

PixelMed is the only one that holds a report to its template (TID), and is asked where Java and its jar are: in the file
that PIXELMED_JAR names, else where `.ci/run` unpacks it. Reading the templates takes it some seconds, a measurement
report some more. So all reports of one call go through one Java process, and a report whose tree has the same shape
as an earlier one is not asked again: a template check sees names, codes, value types, relations and nesting, no texts,
numbers, points or UIDs. The verdicts of a run lie in a folder that its processes share.

A missing tool skips the test, or fails it where DCIS_NODE_REQUIRE_PEERS=1 demands the peers. An object of a class that
is not listed here, or that a tool did not recognise, is a finding: not judged is not passed.
"""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Hashable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest
from pydicom import Dataset, dcmread
from pydicom import uid as uids

from dcis_node.results.answer import ResultObject
from tests.peer_tools import require

# SOP class -> what dciodvfy calls it.
REPORTS = {
    uids.EnhancedSRStorage: "EnhancedSR",
    uids.ComprehensiveSRStorage: "ComprehensiveSR",
    uids.Comprehensive3DSRStorage: "Comprehensive3DSR",
    uids.MammographyCADSRStorage: "MammographyCADSR",
}
PRESENTATION_STATES = {uids.GrayscaleSoftcopyPresentationStateStorage: "GrayscaleSoftcopyPresentationState"}
OTHERS = {
    uids.SegmentationStorage: "Segmentation",
    uids.SecondaryCaptureImageStorage: "SCImage",
    uids.MultiFrameTrueColorSecondaryCaptureImageStorage: "MultiframeTrueColorSCImage",
    uids.DigitalMammographyXRayImageStorageForPresentation: "MammographyImageForPresentation",
}
NAMES = {**REPORTS, **PRESENTATION_STATES, **OTHERS}
# The only template here that may not be extended (PS3.16 TID 4000), so a row that is not in it is a fault. In the
# extensible ones PixelMed warns of every such row, and of every row that is newer than its edition of 2022.
STRICT = frozenset({uids.MammographyCADSRStorage})

# Complaints that are none, each with its reason. Nothing else is tolerated.
TOLERATED = (
    # A private scheme is no defined term; it is declared in Coding Scheme Identification (PS3.3 C.12.1.1.3).
    re.compile(r"Unrecognized defined term = <99DCISNODE>"),
    # CID 100 has no code for mammography; the exact one is kept in TID 1500 row 4.
    re.compile(
        r'\(121058,DCM,"Procedure reported"\): Code \(71651007,SCT,"Mammography"\) not found in context group 100'
    ),
    # Said by dsrdump of every CAD report; PixelMed checks what it does not.
    re.compile(r"Check for template constraints not yet supported"),
    # Defined in PS3.3 C.12.1.1.2 and unknown to DCMTK's reports.
    re.compile(r"SpecificCharacterSet \(\\ISO 2022 IR 87"),
    # Said by dsrdump of every set but the Latin ones: of the values in it dciodvfy is the judge.
    re.compile(r"VR checker does not support this Specific Character Set"),
    # dcmpschk wants a patient's name. It is of type 2, and an image without one gives a result without one.
    re.compile(r"patientName absent or empty in presentation state"),
    # PixelMed writes this meaning with two spaces, PS3.16 with one.
    re.compile(r'\(111025,DCM,"Failed Detections"\) has different code meaning'),
    # CID 4015 spelled this meaning with a capital in 2022.
    re.compile(r'\(399110001,SCT,"tangential"\) has different code meaning'),
)

JAVA_OPTIONS = (
    # The XML library's limits are below what the templates need (JAXP0801003).
    "-Djdk.xml.xpathTotalOpLimit=0",
    "-Djdk.xml.xpathExprOpLimit=0",
    "-Djdk.xml.xpathExprGrpLimit=0",
    "-Xss64m",
    "-Xmx2g",
    "-XX:+UseSerialGC",
)
# Up to so many reports the faster of Java's two compilers is the cheaper one, too.
FEW = 8
JAR_PLACES = (Path.home() / ".cache/pixelmed/usr/share/java/pixelmed.jar", Path("/usr/share/java/pixelmed.jar"))
JAVA_SECONDS = 500.0
# No test run is that long; what an earlier one left is removed.
KEPT_SECONDS = 24 * 3600.0


Name = TypeVar("Name", bound=Hashable)


def judge(objects: Iterable[Path | ResultObject]) -> list[str]:
    """Judge files or finished results; give a line for each finding, `name: tool: what it said`."""
    named = {(f"{n} {o.kind}" if isinstance(o, ResultObject) else o.name): o for n, o in enumerate(objects, 1)}
    return [f"{name}: {finding}" for name, findings in judge_each(named).items() for finding in findings]


def judge_each(objects: Mapping[Name, Path | ResultObject]) -> dict[Name, list[str]]:
    """Judge named files or results at once, which costs one start of Java; give the findings of each."""
    assert objects, "nothing to judge"
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: _file(o, Path(folder) / f"{n}.dcm") for n, (name, o) in enumerate(objects.items())}
        parsed = {name: dcmread(path) for name, path in paths.items()}
        reports = {name: path for name, path in paths.items() if parsed[name].SOPClassUID in REPORTS}
        templates = _templates(reports, parsed)
        return {
            name: [*_objects_of_all_kinds(path, parsed[name]), *templates.get(name, [])] for name, path in paths.items()
        }


def _file(item: Path | ResultObject, path: Path) -> Path:
    if isinstance(item, ResultObject):
        path.write_bytes(item.data)
        return path
    return item


def _objects_of_all_kinds(path: Path, ds: Dataset) -> list[str]:
    kind = ds.SOPClassUID
    if kind not in NAMES:
        return [f"judge: nothing here judges {kind}"]
    findings = _dciodvfy(path, NAMES[kind])
    if kind in REPORTS:
        findings += _dsrdump(path)
    if kind in PRESENTATION_STATES:
        findings += _dcmpschk(path)
    return findings


def _said(*command: str) -> tuple[int, list[str]]:
    done = subprocess.run(command, capture_output=True, check=False, timeout=JAVA_SECONDS)
    return done.returncode, (done.stdout + b"\n" + done.stderr).decode(errors="replace").splitlines()


def _unknown(lines: Iterable[str], start: str | tuple[str, ...]) -> list[str]:
    return [x for x in lines if x.startswith(start) and not any(known.search(x) for known in TOLERATED)]


def _dciodvfy(path: Path, name: str) -> list[str]:
    _, lines = _said(require("dciodvfy"), str(path))
    # Without its name the object was not judged at all, whatever is not said of it.
    unseen = [] if name in lines else [f"not recognised as {name}"]
    return [f"dciodvfy: {finding}" for finding in [*unseen, *_unknown(lines, "Error")]]


def _dsrdump(path: Path) -> list[str]:
    code, lines = _said(require("dsrdump"), str(path))
    # It warns of things as grave as a reference that leads nowhere, and exits with 0.
    findings = _unknown(lines, ("W:", "E:", "F:"))
    return [f"dsrdump: {x}" for x in findings or ([f"exit code {code}"] if code else [])]


def _dcmpschk(path: Path) -> list[str]:
    _, lines = _said(require("dcmpschk"), str(path))
    # It counts warnings and errors alike, and says the outcome as a warning, too.
    said = [x for x in lines if x.startswith(("W:", "E:", "F:")) and not x.startswith(("W: Testing: ", "W: Test "))]
    judged = any("Test passed" in x for x in lines) or said
    return [f"dcmpschk: {x}" for x in (_unknown(said, "") if judged else ["not judged"])]


# --- the template check ---


def pixelmed() -> tuple[str, Path] | None:
    """Give Java and PixelMed's jar, or None where one is missing (a failure where the peers are demanded)."""
    java = shutil.which("java")
    named = os.environ.get("PIXELMED_JAR")
    jar = next((p for p in ([Path(named)] if named else JAR_PLACES) if p.is_file()), None)
    if java and jar:
        return java, jar
    if os.environ.get("DCIS_NODE_REQUIRE_PEERS") == "1":
        pytest.fail("java or pixelmed.jar is missing (see .ci/run), and DCIS_NODE_REQUIRE_PEERS=1 demands it")
    return None


def require_pixelmed() -> None:
    """Skip a test that is about the template check where that is not there."""
    if pixelmed() is None:
        pytest.skip("java or pixelmed.jar is missing (see .ci/run)")


def _templates(reports: Mapping[Name, Path], parsed: Mapping[Name, Dataset]) -> dict[Name, list[str]]:
    """Give PixelMed's findings on each report; each shape is asked once in a run."""
    tools = pixelmed()
    if tools is None or not reports:
        return {}
    shapes = {name: shape(parsed[name]) for name in reports}
    kept = {name: _run_folder() / shapes[name] for name in reports}
    new = {kept[name]: path for name, path in reports.items() if not kept[name].exists()}
    for place, said in zip(new, _ask_pixelmed(*tools, list(new.values())), strict=True):
        _keep(place, "\n".join(said))
    return {
        name: _pixelmed_findings(place.read_text().splitlines(), strict=parsed[name].SOPClassUID in STRICT)
        for name, place in kept.items()
    }


def _ask_pixelmed(java: str, jar: Path, paths: list[Path]) -> list[list[str]]:
    if not paths:
        return []
    program = Path(__file__).with_name("TemplateCheck.java")
    options = [*JAVA_OPTIONS, *(["-XX:TieredStopAtLevel=1"] if len(paths) <= FEW else [])]
    _, lines = _said(java, *options, "-cp", str(jar), str(program), *map(str, paths))
    starts = [n for n, line in enumerate(lines) if line.startswith("=== ")]
    blocks = [lines[a + 1 : b] for a, b in zip(starts, [*starts[1:], len(lines)], strict=True)]
    # Whoever was not reached is told what Java said last.
    return blocks + [lines[-20:]] * (len(paths) - len(blocks))


def _pixelmed_findings(lines: list[str], *, strict: bool) -> list[str]:
    findings = _unknown(lines, ("Error", "Warning") if strict else "Error")
    # It exits with 0 whatever happens, and says nothing wrong of what it does not know.
    said = "\n".join(lines)
    for sign in ("Found Root Template", "Root Template Validation Complete", "IOD validation complete"):
        if sign not in said:
            findings.append(f"did not say {sign!r}: {' / '.join(lines[-3:])[:300]}")
    return [f"PixelMed: {finding}" for finding in findings]


def shape(ds: Dataset) -> str:
    """Give a digest of all that a template check sees of a report.

    Not the SOP class, as which relations it allows is judged by the two other tools, too; nor the meanings of private
    codes, which PixelMed cannot know.
    """
    return hashlib.sha256(repr(_item_shape(ds)).encode()).hexdigest()


def _item_shape(item: Dataset) -> tuple[object, ...]:
    plain = ("RelationshipType", "ValueType", "ContinuityOfContent", "GraphicType", "ReferencedContentItemIdentifier")
    codes = ("ConceptNameCodeSequence", "ConceptCodeSequence", "NumericValueQualifierCodeSequence")
    values = [
        tuple(_code(v) for v in n.get("MeasurementUnitsCodeSequence", [])) for n in _of(item, "MeasuredValueSequence")
    ]
    return (
        *(str(item.get(keyword, "")) for keyword in plain),
        *(tuple(_code(c) for c in _of(item, keyword)) for keyword in codes),
        tuple(values),
        tuple(str(t.get("TemplateIdentifier", "")) for t in _of(item, "ContentTemplateSequence")),
        tuple(str(r.get("ReferencedSOPClassUID", "")) for r in _of(item, "ReferencedSOPSequence")),
        tuple(_item_shape(child) for child in _of(item, "ContentSequence")),
    )


def _of(item: Dataset, keyword: str) -> list[Dataset]:
    return list(item.get(keyword) or ())


def _code(item: Dataset) -> tuple[str, ...]:
    value, scheme, meaning = (str(item.get(k, "")) for k in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning"))
    return value, scheme, "" if scheme.startswith("99") else meaning


@cache
def _run_folder() -> Path:
    """Give the folder of this run's verdicts: of all its processes, or of this one where there is only one."""
    above = Path(tempfile.gettempdir()) / f"dcis-node-judge-{os.getuid()}"
    above.mkdir(mode=0o700, exist_ok=True)
    for old in above.iterdir():
        if time.time() - old.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    folder = above / os.environ.get("PYTEST_XDIST_TESTRUNUID", f"process-{os.getpid()}-{time.time_ns()}")
    folder.mkdir(exist_ok=True)
    return folder


def _keep(place: Path, said: str) -> None:
    """Write a verdict in one step, as another process may look at the same time."""
    part = place.with_suffix(f".{os.getpid()}")
    part.write_text(said)
    part.replace(place)
