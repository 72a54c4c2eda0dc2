"""The tables of the index.

One status column per row is the truth; it is changed by compare-and-set under a lease. Times are Unix seconds (UTC).
Peers' strings are values only: file names come from SHA-256 digests (see `storage.files`).
"""

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

# Conditions of partial indices: used only where a query says the same (see `storage.work.has_failed`).
FAILED = "failure <> ''"
UNPROVEN = "proof_due_at IS NOT NULL"


class Base(DeclarativeBase):
    """Base of all tables; names of constraints are fixed so that migrations can address them."""

    metadata = MetaData(naming_convention=NAMING)


class Patient(Base):
    """A patient: PatientID with its issuer ("MRN 7 of hospital A" is not "MRN 7 of hospital B")."""

    __tablename__ = "patient"
    __table_args__ = (UniqueConstraint("patient_id", "issuer"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[str] = mapped_column(String(64))
    issuer: Mapped[str] = mapped_column(String(64))


class Exam(Base):
    """One patient's mammograms of one episode.

    state: `idle` (no image yet, so nothing to answer) -> `open` (views may still come) -> `due` (complete or out of
    time: to be decided) -> `reported`. A new image, or marks for its images, set it back to `open`. `attempts` counts
    failed decisions; at the limit the state is `failed`. `failure` says why the last one failed; it stays with an exam
    that is `reported` without its analysis, as its results had failed their check or it could not be decided.
    `prior`: its images are here because another exam asked for them, so it is kept and not decided, until somebody
    sends it (see `storage.priors`).
    `opened_at` is the arrival of the first image since it was (re)opened, `last_image_at` that of the last image or
    mark. `bundle_sha256` is the model bundle that judges it (see `storage.pins`).
    `dismissed_at`: when a person said that nothing more is to be done about its failure (see `storage.dismissal`);
    None again once it is decided anew.
    """

    __tablename__ = "exam"
    __table_args__ = (
        Index("ix_exam_state", "state"),
        Index("ix_exam_patient_id", "patient_id", "study_date"),
        # `status` asks for the newest exams, and for the few that failed among very many that did not.
        Index("ix_exam_last_image_at", "last_image_at"),
        # (PostgreSQL has the same condition, by the migration: naming it here would load its dialect in every command.)
        Index("ix_exam_failure", "state", "last_image_at", sqlite_where=text(FAILED)),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    patient_id: Mapped[int] = mapped_column(ForeignKey("patient.id"))
    study_date: Mapped[str] = mapped_column(String(8))
    state: Mapped[str] = mapped_column(String(16))
    opened_at: Mapped[float] = mapped_column(Float)
    last_image_at: Mapped[float] = mapped_column(Float)
    completeness: Mapped[str] = mapped_column(String(32), default="")
    lease_owner: Mapped[str] = mapped_column(String(64), default="")
    lease_until: Mapped[float] = mapped_column(Float, default=0.0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    failure: Mapped[str] = mapped_column(Text, default="")
    bundle_sha256: Mapped[str] = mapped_column(String(64), default="")
    dismissed_at: Mapped[float | None] = mapped_column(Float, default=None)


class Study(Base):
    """A study and the exam it belongs to; several studies of one day may make one exam."""

    __tablename__ = "study"

    id: Mapped[int] = mapped_column(primary_key=True)
    study_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    exam_id: Mapped[int] = mapped_column(ForeignKey("exam.id"), index=True)


class Association(Base):
    """An association that has stored something; open while `closed_at` is null."""

    __tablename__ = "association"
    __table_args__ = (Index("ix_association_owner", "owner", "closed_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(String(64))
    calling_aet: Mapped[str] = mapped_column(String(16))
    address: Mapped[str] = mapped_column(String(64))
    opened_at: Mapped[float] = mapped_column(Float)
    closed_at: Mapped[float | None] = mapped_column(Float, default=None)


class Instance(Base):
    """One stored SOP instance.

    analysis: `not_applicable` (never will be), `pending`, `leased`, `analysed`, `failed` (see `reason`), `prior` (not
    as long as its exam is one).
    reason: a value of `dcis_node.mammogram.facts.Reason`.
    facts: `MammogramHeader.to_json()`.
    removed_at: when its file was removed by the rule of retention; None while it is here.
    """

    __tablename__ = "instance"
    __table_args__ = (Index("ix_instance_analysis", "analysis", "next_try_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    sop_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    series_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    study_id: Mapped[int] = mapped_column(ForeignKey("study.id"), index=True)
    exam_id: Mapped[int] = mapped_column(ForeignKey("exam.id"), index=True)
    # Without an index each association that leaves (see `storage.forgetting`) costs a look at every instance.
    association_id: Mapped[int | None] = mapped_column(ForeignKey("association.id"), default=None, index=True)
    sha256: Mapped[str] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    transfer_syntax_uid: Mapped[str] = mapped_column(String(64))
    received_at: Mapped[float] = mapped_column(Float)
    removed_at: Mapped[float | None] = mapped_column(Float, default=None)
    duplicates: Mapped[int] = mapped_column(Integer, default=0)
    facts: Mapped[dict[str, object]] = mapped_column(JSON)
    eligible: Mapped[bool] = mapped_column(Boolean)
    reason: Mapped[str] = mapped_column(String(40))
    analysis: Mapped[str] = mapped_column(String(16))
    lease_owner: Mapped[str] = mapped_column(String(64), default="")
    lease_until: Mapped[float] = mapped_column(Float, default=0.0)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_try_at: Mapped[float] = mapped_column(Float, default=0.0)


class Conflict(Base):
    """Other bytes that came under a known SOP Instance UID: kept aside, and reported."""

    __tablename__ = "conflict"
    __table_args__ = (UniqueConstraint("instance_id", "sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("instance.id"), index=True)
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    received_at: Mapped[float] = mapped_column(Float)
    calling_aet: Mapped[str] = mapped_column(String(16))


class ViewAnalysis(Base):
    """The stored prediction for one view, so that nothing is computed twice.

    prediction: plain values of a `ViewPrediction` without its mask; the mask is a PNG in the files under
    `mask_sha256` ("" where nothing was outlined), the small picture of the view one under `picture_sha256`.
    """

    __tablename__ = "view_analysis"
    __table_args__ = (UniqueConstraint("instance_sha256", "bundle_sha256", "settings_sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    instance_id: Mapped[int] = mapped_column(ForeignKey("instance.id"), index=True)
    instance_sha256: Mapped[str] = mapped_column(String(64))
    bundle_sha256: Mapped[str] = mapped_column(String(64))
    settings_sha256: Mapped[str] = mapped_column(String(64))
    prediction: Mapped[dict[str, object]] = mapped_column(JSON)
    mask_sha256: Mapped[str] = mapped_column(String(64), default="")
    picture_sha256: Mapped[str] = mapped_column(String(64), default="")
    seconds: Mapped[float] = mapped_column(Float)
    analysed_at: Mapped[float] = mapped_column(Float)


class Report(Base):
    """One version of an exam's answer; `inputs_sha256` makes the same inputs give no second one."""

    __tablename__ = "report"
    __table_args__ = (UniqueConstraint("exam_id", "version"), UniqueConstraint("exam_id", "inputs_sha256"))

    id: Mapped[int] = mapped_column(primary_key=True)
    exam_id: Mapped[int] = mapped_column(ForeignKey("exam.id"), index=True)
    version: Mapped[int] = mapped_column(Integer)
    inputs_sha256: Mapped[str] = mapped_column(String(64))
    bundle_sha256: Mapped[str] = mapped_column(String(64))
    decision: Mapped[dict[str, object]] = mapped_column(JSON)
    views: Mapped[list[dict[str, object]]] = mapped_column(JSON)
    made_at: Mapped[float] = mapped_column(Float)


class Result(Base):
    """One result object; its bytes lie in the files under `sha256` and never change.

    kind: a value of `dcis_node.results.kinds.ResultKind`.
    removed_at: when its file was removed by the rule of retention; None while it is here.
    """

    __tablename__ = "result"

    id: Mapped[int] = mapped_column(primary_key=True)
    report_id: Mapped[int] = mapped_column(ForeignKey("report.id"), index=True)
    kind: Mapped[str] = mapped_column(String(40))
    sop_instance_uid: Mapped[str] = mapped_column(String(64), unique=True)
    sop_class_uid: Mapped[str] = mapped_column(String(64))
    study_instance_uid: Mapped[str] = mapped_column(String(64))
    series_instance_uid: Mapped[str] = mapped_column(String(64), index=True)
    transfer_syntax_uid: Mapped[str] = mapped_column(String(64))
    modality: Mapped[str] = mapped_column(String(16))
    sha256: Mapped[str] = mapped_column(String(64))
    removed_at: Mapped[float | None] = mapped_column(Float, default=None)


class Outbox(Base):
    """One result to one destination.

    state: `due`, `leased`, `dead` (a person has to look; see `last_error`), `sent` (the peer has answered that it has
    it), `proven` (it was found there, or the peer has committed itself to keep it), `dismissed` (it was dead, and a
    person said at `dismissed_at` that it need not get there).
    attempts: tries of the object itself; where the destination as a whole failed there was none.
    losses: how often in a row no answer came for the object, though others may have got theirs.
    first_try_at: since when it is tried, less the time in which nobody tried (see `storage.trying`).
    proof_due_at: when a `sent` row is to be asked after (again); None where nothing is to be asked.
    proof_attempts: how often the destination has said that it does not have it; `proof_error`: why it is not proven.
    proven_by: `commitment`, `query` or "".
    """

    __tablename__ = "outbox"
    __table_args__ = (
        UniqueConstraint("result_id", "destination"),
        Index("ix_outbox_state", "state", "next_try_at"),
        Index("ix_outbox_state_destination", "state", "destination"),
        # Of very many rows those few whose proof is still to be asked for.
        Index("ix_outbox_proof", "proof_due_at", sqlite_where=text(UNPROVEN)),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    result_id: Mapped[int] = mapped_column(ForeignKey("result.id"), index=True)
    destination: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_try_at: Mapped[float] = mapped_column(Float)
    lease_owner: Mapped[str] = mapped_column(String(64), default="")
    lease_until: Mapped[float] = mapped_column(Float, default=0.0)
    last_status: Mapped[int | None] = mapped_column(Integer, default=None)
    last_error: Mapped[str] = mapped_column(Text, default="")
    first_try_at: Mapped[float | None] = mapped_column(Float, default=None)
    sent_at: Mapped[float | None] = mapped_column(Float, default=None)
    proof_due_at: Mapped[float | None] = mapped_column(Float, default=None)
    proof_attempts: Mapped[int] = mapped_column(Integer, default=0)
    proof_error: Mapped[str] = mapped_column(Text, default="")
    proven_at: Mapped[float | None] = mapped_column(Float, default=None)
    proven_by: Mapped[str] = mapped_column(String(16), default="")
    dismissed_at: Mapped[float | None] = mapped_column(Float, default=None)
    losses: Mapped[int] = mapped_column(Integer, default=0, server_default="0")


class DeliveryAttempt(Base):
    """One try to send one result: kept, so that `trace` can show what the peer said."""

    __tablename__ = "delivery_attempt"

    id: Mapped[int] = mapped_column(primary_key=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), index=True)
    tried_at: Mapped[float] = mapped_column(Float)
    status: Mapped[int | None] = mapped_column(Integer)
    error: Mapped[str] = mapped_column(Text, default="")


class Commitment(Base):
    """One request for storage commitment (PS3.4 J.3.2); its Transaction UID is dead once it is reported or expired.

    state: `asked` (the peer has the request), `reported` (its N-EVENT-REPORT came), `expired` (none came by `due_at`),
    `refused` (the peer did not take the request).
    """

    __tablename__ = "commitment"
    __table_args__ = (Index("ix_commitment_state", "state", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    transaction_uid: Mapped[str] = mapped_column(String(64), unique=True)
    destination: Mapped[str] = mapped_column(String(64))
    state: Mapped[str] = mapped_column(String(16))
    asked_at: Mapped[float] = mapped_column(Float)
    due_at: Mapped[float] = mapped_column(Float)
    reported_at: Mapped[float | None] = mapped_column(Float, default=None)


class CommitmentItem(Base):
    """One object of a request for commitment.

    outcome: "" (not known yet), `committed`, or `failed` for `reason` (Failure Reason, PS3.3 C.14.1.1).
    """

    __tablename__ = "commitment_item"
    __table_args__ = (UniqueConstraint("commitment_id", "outbox_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    commitment_id: Mapped[int] = mapped_column(ForeignKey("commitment.id"))
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox.id"), index=True)
    outcome: Mapped[str] = mapped_column(String(16), default="")
    reason: Mapped[int | None] = mapped_column(Integer, default=None)


class DestinationState(Base):
    """What the courier knows of a destination as a whole.

    breaker: `closed` (results are sent) or `open` (it was unreachable `failures` times in a row: only a C-ECHO is sent,
    at `next_probe_at`, until it is answered).
    """

    __tablename__ = "destination_state"

    destination: Mapped[str] = mapped_column(String(64), primary_key=True)
    breaker: Mapped[str] = mapped_column(String(16))
    failures: Mapped[int] = mapped_column(Integer, default=0)
    changed_at: Mapped[float] = mapped_column(Float)
    next_probe_at: Mapped[float] = mapped_column(Float, default=0.0)
    last_error: Mapped[str] = mapped_column(Text, default="")


class Retrieval(Base):
    """Images that one source was asked for, as an exam lacked views (or priors are wanted).

    state: `due`, `leased`, `done`, `failed` (given up; `text` says why).
    purpose: `views` or `priors`.
    missing: the standard views that were missing when it was asked, such as `R CC, L MLO`.
    found, moved, failed: numbers of images.
    """

    __tablename__ = "retrieval"
    __table_args__ = (
        UniqueConstraint("exam_id", "source", "purpose"),
        Index("ix_retrieval_state", "state", "next_try_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    exam_id: Mapped[int] = mapped_column(ForeignKey("exam.id"), index=True)
    source: Mapped[str] = mapped_column(String(64))
    purpose: Mapped[str] = mapped_column(String(16))
    missing: Mapped[str] = mapped_column(String(64), default="")
    state: Mapped[str] = mapped_column(String(16))
    asked_at: Mapped[float] = mapped_column(Float)
    finished_at: Mapped[float | None] = mapped_column(Float, default=None)
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_try_at: Mapped[float] = mapped_column(Float, default=0.0)
    lease_owner: Mapped[str] = mapped_column(String(64), default="")
    lease_until: Mapped[float] = mapped_column(Float, default=0.0)
    found: Mapped[int] = mapped_column(Integer, default=0)
    moved: Mapped[int] = mapped_column(Integer, default=0)
    failed: Mapped[int] = mapped_column(Integer, default=0)
    text: Mapped[str] = mapped_column(Text, default="")


class Heartbeat(Base):
    """The last sign of life of each process."""

    __tablename__ = "heartbeat"

    process: Mapped[str] = mapped_column(String(64), primary_key=True)
    pid: Mapped[int] = mapped_column(Integer)
    started_at: Mapped[float] = mapped_column(Float)
    beat_at: Mapped[float] = mapped_column(Float)
    detail: Mapped[str] = mapped_column(Text, default="")


class Maintenance(Base):
    """How the last run of each nightly work ended.

    name: `sweep`, `backup`, `integrity`, `retention` or `volumes`; `clock_doubt` is no work (see
    `storage.clock_doubt`). ok: false if a person has to look. detail: counts and names of files, without patient data.
    """

    __tablename__ = "maintenance"

    name: Mapped[str] = mapped_column(String(32), primary_key=True)
    started_at: Mapped[float] = mapped_column(Float)
    finished_at: Mapped[float] = mapped_column(Float)
    ok: Mapped[bool] = mapped_column(Boolean)
    detail: Mapped[dict[str, object]] = mapped_column(JSON)
