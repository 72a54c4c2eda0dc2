"""What kind of object a result is, and the small picture of an analysed view."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

# SOP class of what was made before -> its kind.
KINDS = {
    "1.2.840.10008.5.1.4.1.1.88.22": "readable_report",
    "1.2.840.10008.5.1.4.1.1.88.34": "measurement_report",
    "1.2.840.10008.5.1.4.1.1.66.4": "segmentation",
}


def upgrade() -> None:
    with op.batch_alter_table("result", schema=None) as batch_op:
        batch_op.add_column(sa.Column("kind", sa.String(length=40), nullable=False, server_default=""))
    result = sa.table("result", sa.column("kind", sa.String), sa.column("sop_class_uid", sa.String))
    for sop_class_uid, kind in KINDS.items():
        op.execute(result.update().where(result.c.sop_class_uid == sop_class_uid).values(kind=kind))
    with op.batch_alter_table("result", schema=None) as batch_op:
        batch_op.alter_column("kind", existing_type=sa.String(length=40), server_default=None)
    # "" for the analyses that are there: they are keyed by an earlier method and are not used again.
    with op.batch_alter_table("view_analysis", schema=None) as batch_op:
        batch_op.add_column(sa.Column("picture_sha256", sa.String(length=64), nullable=False, server_default=""))
    with op.batch_alter_table("view_analysis", schema=None) as batch_op:
        batch_op.alter_column("picture_sha256", existing_type=sa.String(length=64), server_default=None)


def downgrade() -> None:
    with op.batch_alter_table("view_analysis", schema=None) as batch_op:
        batch_op.drop_column("picture_sha256")
    with op.batch_alter_table("result", schema=None) as batch_op:
        batch_op.drop_column("kind")
