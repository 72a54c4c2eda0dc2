"""What a person has dismissed (failed exams, results that need not arrive), answers that did not come, and an index."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for table in ("exam", "outbox"):
        op.add_column(table, sa.Column("dismissed_at", sa.Float(), nullable=True))
    op.add_column("outbox", sa.Column("losses", sa.Integer(), nullable=False, server_default="0"))
    op.create_index(op.f("ix_instance_association_id"), "instance", ["association_id"])


def downgrade() -> None:
    op.drop_index(op.f("ix_instance_association_id"), "instance")
    # The program before knows no such state; to it they are what they were before a person looked.
    op.execute("UPDATE outbox SET state = 'dead' WHERE state = 'dismissed'")
    for table, columns in (("exam", ("dismissed_at",)), ("outbox", ("dismissed_at", "losses"))):
        with op.batch_alter_table(table, schema=None) as batch_op:
            for column in columns:
                batch_op.drop_column(column)
