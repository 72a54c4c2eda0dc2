"""Whatever an archive answers when it is asked after our results: the right state, also across a restart.

    python -m benchmarks.commitment --json

A node's courier and receiver run as processes; each row of the table is a destination of its own with an archive that
answers in its own way: Orthanc, DCMTK, and scripted ones (pynetdicom) on loopback. Three results have been taken by
each, and their proof is due. With `restart`, courier and receiver are killed (SIGKILL) when every archive has its
request and before any has reported, and started again; then the archives report. Bar: every row ends in its state.
"""

import argparse
import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Event

from benchmarks.machine import machine
from benchmarks.verdict import end
from dcis_node.config import load_configuration
from dcis_node.deliver.sender import outgoing_from_file, send_files
from storage import outbox
from storage.database import Database, open_database, upgrade
from storage.files import FileStore
from storage.schema import Commitment, Exam, Outbox, Patient, Report
from tests.commitment_peer import CommitmentPeer, Request
from tests.deliver.helpers import Node, address, dicom_file
from tests.peers import free_port, listens, orthanc, qrscp, storescp, wait_until

RESULTS = 3
TIMEOUT_SECONDS = 12.0  # of a report; a day by default
STUDY, SERIES = "1.2.826.0.1.9", "1.2.826.0.1.9.0"  # of `dicom_file`
CONFIG = """
[node]
aet = "NODE"
[receive]
port = {port}
processes = 1
[deliver]
timeout_seconds = 5.0
lease_seconds = 10.0
commitment_timeout_seconds = {timeout}
"""
DESTINATION = """
[[destinations]]
name = "{name}"
host = "127.0.0.1"
port = {port}
aet = "{aet}"
proof = "{mode}"
"""
Answer = Callable[[CommitmentPeer, Request], object]


@dataclass
class Row:
    """One behaviour of an archive, and the states in which its results must end.

    Parameters
    ----------
    proven_by
        How the proven ones are.
    answers
        Statuses of our answers to its reports.
    requests
        Least number of requests with Transaction UIDs of their own.
    said
        Part of what stands in the index as the reason why they are not proven.
    quick
        True if its end comes within seconds: the shortened run has these alone.
    """

    behaviour: str
    expected: dict[str, int]
    answer: Answer = lambda _peer, _request: None
    proven_by: str = ""
    answers: Sequence[int] = ()
    requests: int = 0
    mode: str = "auto"
    offers: Sequence[str] = ("commitment",)
    action_status: int | None = 0x0000
    program: str = ""
    said: str = ""
    quick: bool = True
    peer: CommitmentPeer | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Name of the destination."""
        return self.behaviour.lower().replace(" ", "-").replace(",", "")[:60]


def elsewhere(peer: CommitmentPeer, request: Request) -> None:
    """Report on another association."""
    peer.report_elsewhere(request)


def here(peer: CommitmentPeer, request: Request) -> None:
    """Report on the association of the request; if that is gone, on another (PS3.4 J.3.3)."""
    with contextlib.suppress(RuntimeError):
        if request.association.is_established:
            peer.report_here(request)
            return
    peer.report_elsewhere(request)


def late(peer: CommitmentPeer, _: Request) -> None:
    """Report on the first request when the second has come: our time was over."""
    if len(peer.requests) == 2:
        peer.report_elsewhere(peer.requests[0])


def some_lost(peer: CommitmentPeer, request: Request) -> None:
    """Have lost one object, until it comes again."""
    lost = {request.uids[0]: 0x0112} if peer.stored.count(request.uids[0]) == 1 else {}
    peer.report_elsewhere(request, lost)


def some_in_conflict(peer: CommitmentPeer, request: Request) -> None:
    """Have another object under the UID of one."""
    peer.report_elsewhere(request, {request.uids[0]: 0x0119})


def one_left_out(peer: CommitmentPeer, request: Request) -> None:
    """Forget one object the first time."""
    peer.report_elsewhere(request, left_out=request.uids[:1] if len(request.uids) == RESULTS else ())


def twice(peer: CommitmentPeer, request: Request) -> None:
    """Report, and report otherwise."""
    peer.report_elsewhere(request)
    peer.report_elsewhere(request, dict.fromkeys(request.uids, 0x0112))


def unknown(peer: CommitmentPeer, request: Request) -> None:
    """Report on a transaction that is none of ours."""
    peer.report_elsewhere(request, transaction_uid="2.25.4711")


def unknown_then_ours(peer: CommitmentPeer, request: Request) -> None:
    """Report on a transaction that is none of ours, then on ours."""
    unknown(peer, request)
    peer.report_elsewhere(request)


def without_role(peer: CommitmentPeer, request: Request) -> None:
    """Take the role of the SCP without having it agreed on."""
    peer.report_elsewhere(request, role=False)


PROVEN, SENT = {"proven": RESULTS}, {"sent": RESULTS}
OK, UNKNOWN = 0x0000, 0x0110
BOTH = ("commitment", "query")
# fmt: off
ROWS = (
    Row("reports on the same association", PROVEN, here, "commitment", (OK,), 1),
    Row("reports on another association", PROVEN, elsewhere, "commitment", (OK,), 1),
    Row("reports late, after our time is over", PROVEN, late, "commitment", (OK,), 2, mode="commitment"),
    Row(
        "has another object under one UID", {"proven": 2, "dead": 1}, some_in_conflict, "commitment", (OK,), 1,
        said="0x0119",
    ),
    Row("has lost one, until it is sent again", PROVEN, some_lost, "commitment", (OK, OK), 2, quick=False),
    Row("leaves one out of its report", PROVEN, one_left_out, "commitment", (OK, OK), 2, quick=False),
    Row("never reports", SENT, requests=2, mode="commitment"),
    Row("never reports, but answers queries", PROVEN, proven_by="query", requests=1, offers=BOTH),
    Row("reports twice, the second time otherwise", PROVEN, twice, "commitment", (OK, OK), 1),
    Row("reports on an unknown transaction only", SENT, unknown, "", (UNKNOWN, UNKNOWN), 2, mode="commitment"),
    Row("reports on an unknown one, then on ours", PROVEN, unknown_then_ours, "commitment", (UNKNOWN, OK), 1),
    Row("reports without agreeing on the role", PROVEN, without_role, "commitment", (OK,), 1),
    Row("refuses the request with 0213", SENT, requests=1, action_status=0x0213, said="0x0213"),
    Row("hangs up on the request", SENT, requests=1, action_status=None, said="no answer"),
    Row("offers queries only", PROVEN, proven_by="query", offers=("query",)),
    Row("offers neither", SENT, offers=(), said="neither"),
    Row("Orthanc", PROVEN, proven_by="commitment", requests=1, program="Orthanc"),
    Row("dcmqrscp", PROVEN, proven_by="query", program="dcmqrscp"),
    Row("storescp", SENT, program="storescp", said="neither"),
)
# fmt: on


@contextlib.contextmanager
def archives(folder: Path, wanted: Sequence[Row], node_port: int, held: Event) -> Iterator[list[tuple[Row, int, str]]]:
    """Run the archive of each row, which reports nothing before `held` is set; gives port and AE title."""
    with contextlib.ExitStack() as stack:
        found = []
        for row in wanted:
            if row.program == "Orthanc":
                scp = stack.enter_context(orthanc(folder, node=("NODE", node_port), DicomScuTimeout=120))
                found.append((row, scp.dicom_port, scp.aet))
            elif row.program:
                made = {"dcmqrscp": qrscp, "storescp": storescp}[row.program]
                other = stack.enter_context(made(folder))
                found.append((row, other.port, other.aet))
            else:
                scripted = CommitmentPeer(holding(row, held), row.action_status, row.offers, node=("NODE", node_port))
                row.peer = stack.enter_context(scripted)
                found.append((row, row.peer.port, row.peer.aet))
        yield found


def holding(row: Row, held: Event) -> Answer:
    """Let a behaviour begin when `held` is set."""

    def answer(peer: CommitmentPeer, request: Request) -> None:
        held.wait()
        row.answer(peer, request)

    return answer


@dataclass
class Processes:
    """Receiver and courier of a node; killed and started again."""

    config: Path
    port: int
    running: list[subprocess.Popen] = field(default_factory=list)

    def start(self) -> None:
        """Start both."""
        log = (self.config.parent / "node.log").open("ab")
        for role in ("receive", "deliver"):
            command = [sys.executable, "-m", "dcis_node", "run", role, "--config", str(self.config)]
            self.running.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        log.close()
        wait_until(lambda: listens(self.port), "the receiver listens", seconds=120)

    def end(self, number: int) -> None:
        """End both by a signal."""
        for process in self.running:
            process.send_signal(number)
        for process in self.running:
            process.wait(60)
        self.running.clear()


def fill(folder: Path, db: Database, files: FileStore, found: Sequence[tuple[Row, int, str]]) -> None:
    """Make results, hand them to the archives, and record them as sent, so that their proof is due."""
    with db.write() as session:
        patient = Patient(patient_id="", issuer="")
        session.add(patient)
        session.flush()
        exam = Exam(patient_id=patient.id, study_date="", state="reported", opened_at=0.0, last_image_at=0.0)
        session.add(exam)
        session.flush()
        report = Report(
            exam_id=exam.id, version=1, inputs_sha256="", bundle_sha256="", decision={}, views=[], made_at=0
        )
        session.add(report)
        session.flush()
        report_id = report.id
    node = Node(db.url, db, files, report_id)
    for row, port, aet in found:
        paths = [dicom_file(folder / f"{row.name}-{number}.dcm") for number in range(RESULTS)]
        sent = list(send_files([outgoing_from_file(path) for path in paths], address(port, aet=aet)))
        if [one.status for one in sent] != [0] * RESULTS:
            raise RuntimeError(f"not stored: {row.behaviour}")
        for path in paths:
            node.add(path, destinations=(row.name,), study=STUDY, series=SERIES, now=0.0)
        now = time.time()
        for parcel in outbox.claim(db, owner="benchmark", now=now, lease_seconds=60, destination=row.name):
            outbox.mark_sent(db, parcel, now=now, status=0, proof_due_at=now)


def measure(folder: Path, chosen: Sequence[Row], *, restart: bool, seconds: float) -> list[dict[str, object]]:
    """Run rows at once, and hold each against its state.

    Parameters
    ----------
    folder
        To be made.
    restart
        Whether courier and receiver are killed before the archives report.
    seconds
        How long the rows may take to their states.
    """
    held = Event()
    wanted = [replace(row) for row in chosen]
    folder.mkdir()
    config, port = folder / "config.toml", free_port()
    with archives(folder, wanted, port, held) as found:
        text = CONFIG.format(port=port, timeout=TIMEOUT_SECONDS)
        for row, peer_port, aet in found:
            text += DESTINATION.format(name=row.name, port=peer_port, aet=aet, mode=row.mode)
        config.write_text(text, encoding="utf-8")
        configuration = load_configuration(config)
        configuration.folder.mkdir(parents=True, exist_ok=True)
        upgrade(configuration.index_url)
        db = open_database(configuration.index_url)
        processes = Processes(config, port)
        try:
            fill(folder, db, FileStore(configuration.folder / "store"), found)
            processes.start()
            for row in wanted:
                if row.peer is not None and "commitment" in row.offers:
                    row.peer.wait_for(1, seconds=180)
            if restart:
                processes.end(signal.SIGKILL)
                processes.start()
            held.set()
            left = list(wanted)
            until = time.monotonic() + seconds
            while left and time.monotonic() < until:
                left = [row for row in left if not right(told(db, row), row)]
                time.sleep(0.2)
            # A wrong state may still come of a right one: what has ended is looked at once more, later.
            time.sleep(min(5.0, seconds / 10))
            processes.end(signal.SIGTERM)
            return [{**told(db, row), "right": right(told(db, row), row)} for row in wanted]
        finally:
            held.set()
            processes.end(signal.SIGKILL)
            db.close()


def told(db: Database, row: Row) -> dict[str, object]:
    """Say in what states the results of a row are, and what was said on the way."""
    with db.read() as session:
        requests = [r.state for r in session.query(Commitment).filter_by(destination=row.name).order_by(Commitment.id)]
        parcels = session.query(Outbox).filter_by(destination=row.name).all()
    return {
        "behaviour": row.behaviour,
        "states": outbox.counts(db).get(row.name, {}),
        "proven_by": ", ".join(sorted({parcel.proven_by for parcel in parcels} - {""})),
        "said": sorted({parcel.proof_error for parcel in parcels} - {""}),
        "requests": requests,
        "answers": [] if row.peer is None else [None if a is None else f"0x{a:04X}" for a in row.peer.answers],
    }


def right(found: dict[str, object], row: Row) -> bool:
    """Tell whether that is what it must be."""
    answers = [f"0x{status:04X}" for status in row.answers]
    return (
        found["states"] == row.expected
        and found["proven_by"] == row.proven_by
        and len(found["requests"]) >= row.requests
        and found["answers"][: len(answers)] == answers
        and any(row.said in text for text in [*found["said"], ""] if text or not row.said)
    )


def main() -> int:
    """Measure, print, and fail if a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--quick", action="store_true", help="leave out what takes a minute")
    parser.add_argument("--no-programs", action="store_true", help="leave out Orthanc and DCMTK")
    parser.add_argument("--seconds", type=float, default=150.0, help="how long the rows may take to their states")
    arguments = parser.parse_args()
    figures: dict[str, object] = {}
    chosen = [row for row in ROWS if (row.quick or not arguments.quick) and not (arguments.no_programs and row.program)]
    held = {}
    with tempfile.TemporaryDirectory() as folder:
        figures["machine"] = machine(Path(folder))
        for name, restart in (("running through", False), ("killed before the report", True)):
            table = measure(Path(folder) / name.replace(" ", "-"), chosen, restart=restart, seconds=arguments.seconds)
            figures[name] = table
            held |= {f"{name}: {line['behaviour']}": bool(line["right"]) for line in table}
    figures["rows"], figures["right"] = len(held), sum(held.values())
    return end(figures, as_json=arguments.json, held=held)


if __name__ == "__main__":
    sys.exit(main())
