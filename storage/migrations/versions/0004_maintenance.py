"""How the nightly work ended, and indices for an index of a million instances."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "maintenance",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("finished_at", sa.Float(), nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_maintenance")),
    )
    failed = sa.text("failure <> ''")
    op.create_index("ix_exam_last_image_at", "exam", ["last_image_at"])
    op.create_index("ix_exam_failure", "exam", ["state", "last_image_at"], sqlite_where=failed, postgresql_where=failed)
    op.create_index(op.f("ix_instance_series_instance_uid"), "instance", ["series_instance_uid"])
    op.create_index(op.f("ix_result_series_instance_uid"), "result", ["series_instance_uid"])
    op.create_index("ix_outbox_state_destination", "outbox", ["state", "destination"])


def downgrade() -> None:
    op.drop_index("ix_outbox_state_destination", "outbox")
    op.drop_index(op.f("ix_result_series_instance_uid"), "result")
    op.drop_index(op.f("ix_instance_series_instance_uid"), "instance")
    op.drop_index("ix_exam_failure", "exam")
    op.drop_index("ix_exam_last_image_at", "exam")
    op.drop_table("maintenance")
