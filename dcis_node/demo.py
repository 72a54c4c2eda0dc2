"""`dcis-node demo`: the whole job on one exam, with a real node and a stand-in PACS."""

import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydicom import dcmread
from rich.console import Console
from rich.table import Table

from dcis_node.config import load_configuration
from dcis_node.deliver.outcome import Outgoing, PeerAddress
from dcis_node.errors import DcisNodeError, InputError
from dcis_node.operate.demo_picture import draw_exam
from dcis_node.operate.sending import dicom_files, send_outgoing
from dcis_node.operate.stand_in import AET as PACS_AET
from dcis_node.operate.stand_in import Arrived, StandInPacs
from dcis_node.operate.status import node_status
from dcis_node.operate.tables import percent
from dcis_node.phantom.dicom import exam_datasets
from dcis_node.phantom.exam import generate_exam
from dcis_node.results.kinds import ResultKind
from dcis_node.results.profiles import Destination, Profile
from storage.database import Database, open_database
from storage.files import FileStore
from storage.overview import trace

BANNER = "SYNTHETIC MODEL - RESEARCH USE ONLY"
NODE_AET = "DCIS_NODE"
MARKER = ".dcis-node-demo"
# Four views of 4096 x 3328 on one slow core take less than a fifth of this.
PATIENCE_SECONDS = 900.0
POLL_SECONDS = 0.2

CONFIG = """# Written by dcis-node demo. Research use only.
[node]
aet = "{aet}"
[storage]
folder = "data"
[receive]
port = 0
[[destinations]]
name = "demo-pacs"
host = "127.0.0.1"
port = {port}
aet = "{pacs}"
profile = "generic"
"""


@dataclass(frozen=True)
class Node:
    """A running node of the demo."""

    db: Database
    files: FileStore
    port: int
    process: subprocess.Popen[bytes]


def run_demo(*, exam: Path | None, out: Path, seed: int, as_json: bool) -> bool:
    """Run the demo and tell what came of it.

    Parameters
    ----------
    exam
        Folder with the files of one exam; None: a synthetic exam is made from `seed`.
    out
        Folder for what is sent, what comes back, the picture and the node's data. What an earlier demo left there is
        replaced; a folder with other things in it is refused.
    as_json
        Print one JSON object on standard output; progress goes to standard error in any case.

    Returns
    -------
    bool
        True if everything expected came back, unaltered.

    Raises
    ------
    InputError
        There is no usable exam, or `out` holds other things.
    """
    started = time.monotonic()
    console = Console(stderr=True)
    _fresh(out)
    files = _files_to_send(exam, out, seed=seed, console=console)
    with StandInPacs(out / "results") as pacs, _running_node(out, pacs, console=console) as node:
        last_image_at = _send(files, node, console=console)
        traced = _wait(files, node, pacs, console=console)
        arrived = pacs.arrived()
        faults = _check(traced, arrived, node)
        answer = _answer(traced, arrived, last_image_at=last_image_at, started=started)
        draw_exam(traced, arrived, node.files, banner=BANNER).save(out / "exam.png")
    if as_json:
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    else:
        _show(answer, out, Console())
    for fault in faults:
        console.print(f"[bold red]missing or wrong:[/] {fault}")
    return not faults


def _fresh(out: Path) -> None:
    if out.exists() and any(out.iterdir()) and not (out / MARKER).exists():
        raise InputError("folder_in_use", f"{out}: holds other things than a demo's; name another folder with --out")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    (out / MARKER).touch()


def _files_to_send(exam: Path | None, out: Path, *, seed: int, console: Console) -> tuple[Outgoing, ...]:
    folder = exam
    if folder is None:
        folder = out / "exam"
        folder.mkdir()
        with _Telling(console, f"making a synthetic exam (seed {seed})"):
            datasets = exam_datasets(
                generate_exam(seed), patient_id="PHANTOM", study_date="20240101", study_time="120000"
            )
            for dataset in datasets:
                dataset.save_as(
                    folder / f"{dataset.ImageLaterality}_{dataset.ViewPosition}.dcm", enforce_file_format=True
                )
    files, unusable = dicom_files(folder)
    for line in unusable:
        console.print(f"left out: {line.path}: {line.text}")
    if not files:
        raise InputError("no_dicom_files", f"{folder}: no DICOM file found")
    return files


class _Telling:
    """Show what is being done: a spinner on a terminal, a line for each change where there is none."""

    def __init__(self, console: Console, text: str) -> None:
        self._console = console
        self._status = console.status(text)
        self._text = text

    def __enter__(self) -> "_Telling":
        if self._console.is_terminal:
            self._status.start()
        else:
            self._console.print(self._text)
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def update(self, text: str) -> None:
        """Show what is being done now."""
        if text == self._text:
            return
        self._text = text
        if self._console.is_terminal:
            self._status.update(text)
        else:
            self._console.print(text)


@contextmanager
def _running_node(out: Path, pacs: StandInPacs, *, console: Console) -> Iterator[Node]:
    home = out / "node"
    home.mkdir()
    config = home / "config.toml"
    config.write_text(CONFIG.format(aet=NODE_AET, port=pacs.port, pacs=PACS_AET), encoding="utf-8")
    configuration = load_configuration(config)
    with (home / "node.log").open("wb") as log:
        process = subprocess.Popen(
            (sys.executable, "-m", "dcis_node", "run", "--config", str(config)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    db: Database | None = None
    try:
        with _Telling(console, "starting the node"):
            deadline = time.monotonic() + PATIENCE_SECONDS
            port = 0
            while not port:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise InputError("node_did_not_start", f"the node did not start; see {home / 'node.log'}")
                db = db or _try_to_open(configuration.index_url)
                port = _port(node_status(configuration, db)["listening"]) if db else 0
                time.sleep(POLL_SECONDS)
        assert db is not None  # noqa: S101 -- for the type checker: a port was read from it
        yield Node(db, FileStore(configuration.folder / "store"), port, process)
    finally:
        if db is not None:
            db.close()
        process.send_signal(signal.SIGTERM)
        process.wait()


def _try_to_open(url: str) -> Database | None:
    try:
        return open_database(url)
    except DcisNodeError:
        return None


def _port(listening: str) -> int:
    return int(listening.rpartition(":")[2] or 0)


def _send(files: tuple[Outgoing, ...], node: Node, *, console: Console) -> float:
    peer = PeerAddress(host="127.0.0.1", port=node.port, aet=NODE_AET, calling_aet=PACS_AET)
    with _Telling(console, f"sending {len(files)} files by C-STORE"):
        for line in send_outgoing(files, peer):
            console.print(f"{'sent' if line.stored else 'NOT STORED'}: {line.path.name} {line.text}")
    return time.monotonic()


def _wait(files: tuple[Outgoing, ...], node: Node, pacs: StandInPacs, *, console: Console) -> list[dict[str, Any]]:
    """Wait until the exams of these files are answered and every result was taken; give their traces."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    with _Telling(console, "waiting for the results") as telling:
        while True:
            traced = _traces(files, node)
            telling.update(_progress(traced, len(pacs.arrived())))
            if _finished(traced) or time.monotonic() > deadline or node.process.poll() is not None:
                return traced
            pacs.wait(POLL_SECONDS)


def _traces(files: tuple[Outgoing, ...], node: Node) -> list[dict[str, Any]]:
    exams: dict[int, dict[str, Any]] = {}
    with node.db.read() as session:
        for file in files:
            if not any(file.sop_instance_uid in _uids(exam) for exam in exams.values()):
                exams.update({exam["exam"]: exam for exam in trace(session, file.sop_instance_uid)})
    return list(exams.values())


def _uids(exam: dict[str, Any]) -> set[str]:
    return {instance["sop_instance_uid"] for instance in exam["instances"]}


def _progress(traced: list[dict[str, Any]], arrived: int) -> str:
    views = [i for exam in traced for i in exam["instances"] if i["eligible"]]
    done = sum(view["analysis"] in ("analysed", "failed") for view in views)
    states = ", ".join(sorted({exam["state"] for exam in traced})) or "not in the index yet"
    return f"{done} of {len(views)} views analysed; exam {states}; {arrived} results are back"


def _finished(traced: list[dict[str, Any]]) -> bool:
    return bool(traced) and all(
        exam["state"] in ("reported", "failed") and not {"due", "leased"} & set(exam["deliveries"]) for exam in traced
    )


def _check(traced: list[dict[str, Any]], arrived: tuple[Arrived, ...], node: Node) -> list[str]:
    """Hold what came back against what the node says it made; give what is missing or altered."""
    came = {result.sop_instance_uid: result for result in arrived}
    faults = [f"exam {exam['exam']} is {exam['state']}: {exam['failure']}" for exam in traced if not exam["reports"]]
    if len(came) != len(arrived):
        faults.append("a result came more than once")
    for exam in traced:
        for result in (result for report in exam["reports"] for result in report["results"]):
            back = came.get(result["sop_instance_uid"])
            if back is None:
                faults.append(f"{result['modality']} {result['sop_instance_uid']} did not come back")
            elif back.dataset_sha256 != _dataset_sha256(node.files.path(result["sha256"])):
                faults.append(f"{result['modality']} {result['sop_instance_uid']} came back altered")
        faults.extend(_missing_kinds(exam))
    return faults or ([] if traced else ["no image reached the index"])


def _missing_kinds(exam: dict[str, Any]) -> Iterator[str]:
    """Hold the kinds of the results to what the profile of the stand-in PACS is sent of such an exam."""
    for report in exam["reports"]:
        came = Counter(result["kind"] for result in report["results"])
        for kind, count in _expected_kinds(report["views"]).items():
            if came[kind] != count:
                yield f"report {report['version']} has {came[kind]} of {kind.replace('_', ' ')} instead of {count}"


def _expected_kinds(views: list[dict[str, Any]]) -> dict[str, int]:
    outlined = sum(view["outlined"] for view in views)
    counts = {
        ResultKind.READABLE_REPORT: 1,
        ResultKind.SUMMARY_IMAGE: 1,
        ResultKind.MEASUREMENT_REPORT: min(outlined, 1),
        ResultKind.SEGMENTATION: outlined,
        ResultKind.PRESENTATION_STATE: sum(view["outlined"] or view["probability"] is not None for view in views),
    }
    sent = Destination("", Profile.GENERIC).kinds(outlined=outlined > 0)
    return {kind.value: counts[kind] for kind in ResultKind if kind in sent}


def _dataset_sha256(path: Path) -> str:
    data = path.read_bytes()
    group_length = int(dcmread(path, stop_before_pixels=True).file_meta.FileMetaInformationGroupLength)
    # PS3.10 7.1: 128 bytes preamble, "DICM", then the group length element itself (12 bytes).
    return hashlib.sha256(data[128 + 4 + 12 + group_length :]).hexdigest()


def _answer(
    traced: list[dict[str, Any]], arrived: tuple[Arrived, ...], *, last_image_at: float, started: float
) -> dict[str, Any]:
    views: list[dict[str, Any]] = []
    breasts: dict[str, Any] = {}
    patient = {"probability": None, "risk": "not_analysed"}
    for exam in traced:
        for report in exam["reports"][-1:]:
            views += [{key: view[key] for key in VIEW_KEYS} for view in report["views"]]
            decided = report["decision"]
            breasts |= {
                side: {"probability": breast["probability"], "views": breast["views"]}
                for side, breast in decided["breasts"].items()
            }
            patient = {"probability": decided["patient"]["probability"], "risk": decided["patient"]["risk"]}
    kinds = {
        result["sop_instance_uid"]: result["kind"]
        for exam in traced
        for report in exam["reports"]
        for result in report["results"]
    }
    last = max((result.at for result in arrived), default=time.monotonic())
    return {
        "views": views,
        "breasts": breasts,
        "patient": patient,
        "results": [
            {
                "kind": kinds.get(result.sop_instance_uid, ""),
                "modality": result.modality,
                "sop_class_uid": result.sop_class_uid,
                "sop_instance_uid": result.sop_instance_uid,
                "path": str(result.path),
            }
            for result in arrived
        ],
        "seconds": {
            "after_last_image": round(last - last_image_at, 2),
            "total": round(time.monotonic() - started, 2),
        },
    }


VIEW_KEYS = ("laterality", "view", "eligible", "reason", "lesion", "probability")


def _show(answer: dict[str, Any], out: Path, console: Console) -> None:
    console.print(f"[bold red]{BANNER}[/] - the figures have no clinical meaning")
    table = Table("view", "eligible", "lesion, views, risk", "probability of high risk")
    for view in answer["views"]:
        eligible = "yes" if view["eligible"] else f"no: {view['reason']}"
        name = f"{view['laterality'] or '?'} {view['view'] or '?'}"
        table.add_row(name, eligible, view["lesion"] or "-", percent(view["probability"]))
    table.add_section()
    for side, breast in answer["breasts"].items():
        table.add_row(f"{side} breast", "", "+".join(breast["views"]), percent(breast["probability"]))
    table.add_row("patient", "", answer["patient"]["risk"], percent(answer["patient"]["probability"]))
    console.print(table)
    for result in answer["results"]:
        console.print(f"{result['kind'].replace('_', ' '):>18}  {result['path']}", soft_wrap=True)
    console.print(f"picture: {out / 'exam.png'}", soft_wrap=True)
    config = out / "node" / "config.toml"
    console.print(f"as another viewer shows it: dcis-node preview 1 --profile ohif --config {config}", soft_wrap=True)
    seconds = answer["seconds"]
    console.print(f"results {seconds['after_last_image']:.1f} s after the last image, {seconds['total']:.1f} s in all")
