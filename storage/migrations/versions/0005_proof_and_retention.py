"""Proof of delivery, the state of each destination, retrieved images, and files that retention has removed."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("instance", "result"):
        op.add_column(table, sa.Column("removed_at", sa.Float(), nullable=True))
    for column in ("proof_due_at", "proven_at"):
        op.add_column("outbox", sa.Column(column, sa.Float(), nullable=True))
    # "" and 0 for the rows that are there: what was sent before is not asked after.
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.add_column(sa.Column("proof_attempts", sa.Integer(), nullable=False, server_default="0"))
        batch_op.add_column(sa.Column("proof_error", sa.Text(), nullable=False, server_default=""))
        batch_op.add_column(sa.Column("proven_by", sa.String(length=16), nullable=False, server_default=""))
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        batch_op.alter_column("proof_attempts", existing_type=sa.Integer(), server_default=None)
        batch_op.alter_column("proof_error", existing_type=sa.Text(), server_default=None)
        batch_op.alter_column("proven_by", existing_type=sa.String(length=16), server_default=None)
    unproven = sa.text("proof_due_at IS NOT NULL")
    op.create_index("ix_outbox_proof", "outbox", ["proof_due_at"], sqlite_where=unproven, postgresql_where=unproven)
    op.create_table(
        "commitment",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("transaction_uid", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.Column("reported_at", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment")),
        sa.UniqueConstraint("transaction_uid", name=op.f("uq_commitment_transaction_uid")),
    )
    op.create_index("ix_commitment_state", "commitment", ["state", "due_at"])
    op.create_table(
        "commitment_item",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("commitment_id", sa.Integer(), nullable=False),
        sa.Column("outbox_id", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["commitment_id"], ["commitment.id"], name=op.f("fk_commitment_item_commitment_id_commitment")
        ),
        sa.ForeignKeyConstraint(["outbox_id"], ["outbox.id"], name=op.f("fk_commitment_item_outbox_id_outbox")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_commitment_item")),
        sa.UniqueConstraint("commitment_id", "outbox_id", name=op.f("uq_commitment_item_commitment_id_outbox_id")),
    )
    op.create_index(op.f("ix_commitment_item_outbox_id"), "commitment_item", ["outbox_id"])
    op.create_table(
        "destination_state",
        sa.Column("destination", sa.String(length=64), nullable=False),
        sa.Column("breaker", sa.String(length=16), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.Column("next_probe_at", sa.Float(), nullable=False),
        sa.Column("last_error", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("destination", name=op.f("pk_destination_state")),
    )
    op.create_table(
        "retrieval",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("exam_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("purpose", sa.String(length=16), nullable=False),
        sa.Column("missing", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("asked_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", sa.Float(), nullable=False),
        sa.Column("lease_owner", sa.String(length=64), nullable=False),
        sa.Column("lease_until", sa.Float(), nullable=False),
        sa.Column("found", sa.Integer(), nullable=False),
        sa.Column("moved", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["exam_id"], ["exam.id"], name=op.f("fk_retrieval_exam_id_exam")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_retrieval")),
        sa.UniqueConstraint("exam_id", "source", "purpose", name=op.f("uq_retrieval_exam_id_source_purpose")),
    )
    op.create_index(op.f("ix_retrieval_exam_id"), "retrieval", ["exam_id"])
    op.create_index("ix_retrieval_state", "retrieval", ["state", "next_try_at"])


def downgrade() -> None:
    for table in ("retrieval", "destination_state", "commitment_item", "commitment"):
        op.drop_table(table)
    op.drop_index("ix_outbox_proof", "outbox")
    with op.batch_alter_table("outbox", schema=None) as batch_op:
        for column in ("proof_due_at", "proof_attempts", "proof_error", "proven_at", "proven_by"):
            batch_op.drop_column(column)
    for table in ("result", "instance"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("removed_at")
