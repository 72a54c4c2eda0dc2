"""The analysis worker: one process per device that takes due exams and pending views, one at a time."""

import errno
import logging
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from dcis_node.analyse.analysis_record import mask_to_png, picture_to_png, record_to_json
from dcis_node.analyse.bundles import Bundles
from dcis_node.analyse.decide_exam import finish_exam, prepare_report
from dcis_node.analyse.device_care import Build, CarefulEnsemble, DeviceCare
from dcis_node.analyse.exam_marks import marks_on, read_exam_marks
from dcis_node.analyse.machine_faults import is_of_machine
from dcis_node.analyse.models import Models
from dcis_node.analyse.view import Predictor, analyse_view, analysis_key
from dcis_node.analyse.workbench import Workbench, give_back_owed, keeper, nothing, owing, where
from dcis_node.config import AnalyseSettings
from dcis_node.errors import DecoderError, DeviceError, PixelError, ResultError, StorageError
from dcis_node.mammogram.facts import MammogramHeader, Mark, Reason
from dcis_node.model.bundle import Bundle
from dcis_node.model.predict import Ensemble
from dcis_node.results.answer import Equipment
from dcis_node.results.profiles import Destination
from storage.database import Database
from storage.exams import ExamInstance, exam_instances
from storage.files import FileStore
from storage.findings import StoredAnalysis, find_analysis, finish_view
from storage.outage import Outage
from storage.pins import pin_bundle, pinned_bundle
from storage.records import RecordedAnalysis, Records
from storage.work import (
    DIED,
    ExamClaim,
    ViewClaim,
    claim_exam,
    claim_instance,
    fail_exam,
    fail_view,
    give_back_exam,
    give_back_view,
    release_leases,
)

log = logging.getLogger(__name__)

POLL_SECONDS = 0.25
# Between two tries of one item: long enough for a full disk or a busy index to pass, short beside an exam's waiting.
RETRY_SECONDS = 5.0
# For a device that is short of memory: another program may have it, for a while.
DEVICE_RETRY_SECONDS = 15.0
# How long to wait for a machine that is short of disk or memory.
MACHINE_RETRY_SECONDS = 30.0
# In the analysis of a view, where its figures may differ in the last digits from what the device gives.
ON_CPU = "computed_on_cpu_in_place_of_device"
# What fails its check will fail it again, but for a bit that flipped: one more try, however many are allowed.
CHECKED_TRIES = 2
# Tries at an answer without analysis, all but the first at the least one. A kill or a power cut that meets the first is
# not the exam's fault, and an exam without any answer is seen by nobody but the administrator.
LAST_RESORTS = 3


def run_worker(
    *,
    db: Database,
    files: FileStore,
    bundles: Bundles,
    settings: AnalyseSettings,
    equipment: Equipment,
    destinations: tuple[Destination, ...],
    owner: str,
    stop: threading.Event,
    beat: Callable[[dict[str, Any]], None] = nothing,
    hangs: Callable[[], None] = nothing,
    care: DeviceCare | None = None,
    build: Build = Ensemble,
    clock: Callable[[], float] = time.time,
) -> str:
    """Work until `stop` is set; the item in hand is finished first.

    What an earlier worker of the same name had leased is taken back at once: the caller vouches that it is gone.

    Parameters
    ----------
    beat
        Called with what new exams are judged by and where it is computed, in every round, and about each second while
        an item is worked on, then from a second thread.
    hangs
        Called, from that thread, when an item takes longer than `settings.item_timeout_seconds`.
    care
        Where the networks run; None chooses by `settings.device`.
    build
        Makes the ensemble of a bundle on a device.

    Returns
    -------
    str
        Why it wants to be started again, though it was not told to stop; "" if it was.

    Raises
    ------
    BundleError, StorageError
        No bundle loads at the start. Later one that does not load is refused, and the work goes on with the old one.
    DeviceError
        This process cannot compute any more, or may not. What it had in hand was given back untried.
    """
    # Its warnings quote values of what it reads, and would stand in the log.
    warnings.filterwarnings("ignore", module="pydicom")
    if settings.threads:
        torch.set_num_threads(settings.threads)
    device = care or DeviceCare(settings.device, fallback=settings.cpu_fallback, clock=clock)
    models = Models(bundles, lambda bundle: CarefulEnsemble(bundle, device, build))
    bench = Workbench(
        db,
        files,
        models,
        settings,
        equipment,
        destinations,
        owner,
        beat=lambda: beat({**models.state.to_json(), **device.state.to_json()}),
        hangs=hangs,
        clock=clock,
    )
    returned = release_leases(db, owner)
    state = models.state
    log.info("event=worker_ready device=%s bundle_sha256=%s leases_returned=%d", device.device, state.sha256, returned)
    work_until(bench, stop, enough=lambda: device.wants_another_try)
    return "" if stop.is_set() else "the device is to be tried again"


def work_until(bench: Workbench, stop: threading.Event, *, enough: Callable[[], bool] = lambda: False) -> None:
    """Do one item after another; wait a little when there is none, or when the index cannot be used.

    Parameters
    ----------
    enough
        Asked between two items; ends the work as `stop` does.

    Raises
    ------
    DeviceError
        This process cannot compute any more.
    """
    outage = Outage(log, "index_unusable")
    while not stop.is_set() and not enough():
        try:
            bench.beat()
            found = do_next(bench)
            outage.over()
        except StorageError as error:
            outage.failed(error)
            found = False
        if not found:
            stop.wait(POLL_SECONDS)


def do_next(bench: Workbench) -> bool:
    """Decide a due exam, else analyse a pending view; False if there was neither.

    An exam comes first: its radiologist waits, while a view only waits for the rest of its exam.

    Raises
    ------
    StorageError
        The index cannot be used. What was claimed is given back first when it can again; by another worker when its
        lease has run out.
    """
    give_back_owed(bench)
    # A bundle that became active meanwhile is loaded here, between two items.
    bench.models.current()
    return _decide_next(bench) or _analyse_next(bench)


def _decide_next(bench: Workbench) -> bool:
    # More attempts than a view has: the last ones report the exam without any analysis.
    claim = claim_exam(
        bench.db,
        owner=bench.owner,
        now=bench.clock(),
        lease_seconds=bench.settings.lease_seconds,
        max_attempts=bench.settings.max_attempts + LAST_RESORTS,
    )
    if claim is None:
        return False
    lease = keeper(bench, claim)
    resort = max(0, claim.attempts - bench.settings.max_attempts)
    last = resort > 0
    try:
        with lease:
            decider = bench.decider(_decider_bundle(bench, claim.id))
            prepared = prepare_report(
                decider,
                claim.id,
                completeness=claim.completeness,
                now=bench.clock(),
                unanalysed=_last_resort(claim) if last else None,
                failure=claim.failure if last else "",
                least=resort > 1,
            )
        outcome = finish_exam(decider, lease.claim, prepared, failure=claim.failure if last else "")
        if last:
            log.error("event=exam_answered_without_analysis exam=%d failure='%s'", claim.id, claim.failure)
        log.info(
            "event=exam_decided exam=%d attempt=%d outcome=%s bundle_sha256=%s",
            claim.id,
            claim.attempts,
            outcome,
            decider.bundle.sha256,
        )
    except Exception as error:  # noqa: BLE001 -- the edge of an item: recorded on it, and the next one is done
        with owing(bench, lease):
            if is_of_machine(error):
                log.error("event=exam_waits_for_machine exam=%d error=%s at=%s", claim.id, _short(error), where(error))
                give_back_exam(bench.db, lease.claim, retry_at=bench.clock() + MACHINE_RETRY_SECONDS)
            else:
                _record_undecided(bench, lease.claim, error)
    return True


def _short(error: Exception) -> str:
    """Name an error of the machine without any path that it may tell."""
    return errno.errorcode.get(error.errno or 0, "OSError") if isinstance(error, OSError) else type(error).__name__


def _last_resort(claim: ExamClaim) -> Reason:
    """Say why the exam is answered without its analysis."""
    return Reason.ANALYSIS_DIED if claim.failure == DIED else Reason.ANALYSIS_FAILED


def _record_undecided(bench: Workbench, claim: ExamClaim, error: Exception) -> None:
    """Try an exam again later; what failed its check twice is answered without its analysis next."""
    failure = f"{type(error).__name__} at {where(error)}"
    if isinstance(error, ResultError):
        # Its text names UIDs and tags only, and is what the administrator has to know.
        failure = f"the results failed their check: {error} ({failure})"
    log.error("event=exam_failed exam=%d attempt=%d failure='%s'", claim.id, claim.attempts, failure)
    hopeless = isinstance(error, ResultError) and claim.attempts >= CHECKED_TRIES
    fail_exam(
        bench.db,
        claim,
        failure=failure,
        retry_at=bench.clock() + RETRY_SECONDS,
        attempts=bench.settings.max_attempts if hopeless else None,
    )


def _analyse_next(bench: Workbench) -> bool:
    claim = claim_instance(
        bench.db,
        owner=bench.owner,
        now=bench.clock(),
        lease_seconds=bench.settings.lease_seconds,
        max_attempts=bench.settings.max_attempts,
    )
    if claim is None:
        return False
    lease = keeper(bench, claim)
    try:
        with lease:
            record = _analysis_of(bench, claim)
        kept = finish_view(bench.db, lease.claim, record.key, record.analysis, now=record.analysed_at)
        log.info("event=view_analysed instance=%d seconds=%.2f kept=%s", claim.id, record.analysis.seconds, kept)
    except DeviceError as error:
        log.error("event=view_waits_for_device instance=%d text=%r", claim.id, str(error))
        with owing(bench, lease):
            give_back_view(bench.db, lease.claim, retry_at=bench.clock() + DEVICE_RETRY_SECONDS)
        if error.spoilt:
            raise
    except Exception as error:  # noqa: BLE001 -- the edge of an item: recorded on it, and the next one is done
        with owing(bench, lease):
            if is_of_machine(error):
                log.error(
                    "event=view_waits_for_machine instance=%d error=%s at=%s", claim.id, _short(error), where(error)
                )
                give_back_view(bench.db, lease.claim, retry_at=bench.clock() + MACHINE_RETRY_SECONDS)
            else:
                _record_failure(bench, lease.claim, error)
    return True


def _record_failure(bench: Workbench, claim: ViewClaim, error: Exception) -> None:
    """Set a view aside for good if its pixels are at fault, else try again later as often as allowed."""
    reason = error.reason if isinstance(error, PixelError) else Reason.ANALYSIS_FAILED
    same_again = isinstance(error, PixelError) and not isinstance(error, DecoderError)
    last = same_again or claim.attempts >= bench.settings.max_attempts
    log.error(
        "event=view_failed instance=%d attempt=%d reason=%s error=%s at=%s last=%s",
        claim.id,
        claim.attempts,
        reason,
        type(error).__name__,
        where(error),
        last,
    )
    fail_view(bench.db, claim, reason=reason, retry_at=None if last else bench.clock() + RETRY_SECONDS)


def _analysis_of(bench: Workbench, claim: ViewClaim) -> RecordedAnalysis:
    """Look up the analysis of a view, or make it; its outline and its record are in the files then."""
    with bench.db.read() as session:
        instances = exam_instances(session, claim.exam_id)
    header = _header_of(instances, claim.id)
    marks = marks_on(read_exam_marks(instances, bench.files), header)
    predictor = _predictor_of(bench, claim.exam_id)
    key = analysis_key(claim.sha256, predictor.bundle, marks)
    with bench.db.read() as session:
        stored = find_analysis(session, key)
    if stored is not None:
        return RecordedAnalysis(key, stored, bench.clock())
    records = Records(bench.files)
    found = records.analysis(key)
    if found is not None:
        return found
    computed = _compute(bench, predictor, claim, header, marks)
    return records.keep_analysis(RecordedAnalysis(key, computed, bench.clock()))


def _predictor_of(bench: Workbench, exam_id: int) -> Predictor:
    """Give the ensemble of an exam's bundle; an exam without one that can be had gets the active one for good."""
    while True:
        with bench.db.read() as session:
            pinned = pinned_bundle(session, exam_id)
        predictor = bench.models.of(pinned) if pinned else None
        if predictor is not None:
            return predictor
        predictor = bench.models.current()
        if pin_bundle(bench.db, exam_id, predictor.bundle.sha256, instead_of=pinned):
            return predictor


def _decider_bundle(bench: Workbench, exam_id: int) -> Bundle:
    """Give an exam's bundle; one without any analysed view is answered by the active bundle and not bound to it."""
    with bench.db.read() as session:
        pinned = pinned_bundle(session, exam_id)
    return (_predictor_of(bench, exam_id) if pinned else bench.models.current()).bundle


def _compute(
    bench: Workbench, predictor: Predictor, claim: ViewClaim, header: MammogramHeader, marks: tuple[Mark, ...]
) -> StoredAnalysis:
    began = time.monotonic()
    record = analyse_view(
        bench.files.path(claim.sha256),
        header,
        predictor=predictor,
        settings=bench.settings,
        scratch=bench.files.incoming,
        marks=marks,
    )
    if getattr(predictor, "stood_in", False):
        record = replace(record, notes=(*record.notes, ON_CPU))
    png = mask_to_png(record.prediction.mask)
    mask_sha256 = "" if png is None else bench.files.put(png)
    picture_sha256 = "" if record.picture is None else bench.files.put(picture_to_png(record.picture))
    return StoredAnalysis(record_to_json(record), mask_sha256, picture_sha256, time.monotonic() - began)


def _header_of(instances: tuple[ExamInstance, ...], instance_id: int) -> MammogramHeader:
    return next(MammogramHeader.from_json(i.facts) for i in instances if i.id == instance_id)
