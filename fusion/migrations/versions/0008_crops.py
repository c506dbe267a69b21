"""Crops: which there are, whom they show, whom incidents are about."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from fusion.tables import UtcInstant

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the tables from the revision before to this one."""
    op.create_table(
        "evidence",
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("evidence_id", sa.String(), nullable=False),
        sa.Column("device_id", sa.String(), nullable=False),
        sa.Column("captured_at", UtcInstant(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("due_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("sector", "evidence_id"),
    )
    op.create_index("ix_evidence_sector_due_at", "evidence", ["sector", "due_at"])
    op.create_index("ix_evidence_sector_sha256", "evidence", ["sector", "sha256"])
    op.create_table(
        "track_evidence",
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("track_id", sa.String(), nullable=False),
        sa.Column("evidence_id", sa.String(), nullable=False),
        sa.Column("at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("sector", "track_id", "evidence_id"),
    )
    op.create_index(
        "ix_track_evidence_sector_evidence_id", "track_evidence", ["sector", "evidence_id"]
    )
    op.create_index("ix_track_evidence_sector_at", "track_evidence", ["sector", "at"])
    op.create_table(
        "incident_track",
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("track_id", sa.String(), nullable=False),
        sa.Column("incident_id", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sector", "track_id", "incident_id"),
    )


def downgrade() -> None:
    """Take the tables back to the revision before."""
    for table in ("incident_track", "track_evidence", "evidence"):
        op.drop_table(table)
