"""What a person has looked at and dismissed: failed exams, and results that need not arrive any more."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("exam", "outbox"):
        op.add_column(table, sa.Column("dismissed_at", sa.Float(), nullable=True))


def downgrade() -> None:
    # The program before knows no such state; to it they are what they were before a person looked.
    op.execute("UPDATE outbox SET state = 'dead' WHERE state = 'dismissed'")
    for table in ("exam", "outbox"):
        with op.batch_alter_table(table, schema=None) as batch_op:
            batch_op.drop_column("dismissed_at")
