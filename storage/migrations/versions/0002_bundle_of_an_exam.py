"""Which model bundle an exam is judged by, so that a switch in between does not mix two."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # "" for the exams that are there: the next view or decision gives them one.
    with op.batch_alter_table("exam", schema=None) as batch_op:
        batch_op.add_column(sa.Column("bundle_sha256", sa.String(length=64), nullable=False, server_default=""))
    with op.batch_alter_table("exam", schema=None) as batch_op:
        batch_op.alter_column("bundle_sha256", existing_type=sa.String(length=64), server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("exam", schema=None) as batch_op:
        batch_op.drop_column("bundle_sha256")
