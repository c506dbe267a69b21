"""The first tables."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from fusion.tables import UtcInstant

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the tables from the revision before to this one."""
    op.create_table(
        "alert",
        sa.Column("alert_id", sa.String(), nullable=False),
        sa.Column("incident_id", sa.String(), nullable=False),
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False),
        sa.Column("raised_at", UtcInstant(), nullable=False),
        sa.Column("issued_at", UtcInstant(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id"),
    )
    op.create_index("ix_alert_incident_id", "alert", ["incident_id"])
    op.create_index("ix_alert_sector_issued_at", "alert", ["sector", "issued_at"])

    op.create_table(
        "incident",
        sa.Column("incident_id", sa.String(), nullable=False),
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("opened_at", UtcInstant(), nullable=False),
        sa.Column("updated_at", UtcInstant(), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("incident_id"),
    )
    op.create_index("ix_incident_opened_at", "incident", ["opened_at"])
    op.create_index("ix_incident_sector_revision", "incident", ["sector", "revision"])

    op.create_table(
        "meta",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_table(
        "rejected",
        sa.Column("rejected_id", sa.Integer(), nullable=False),
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("excerpt", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("rejected_id"),
    )
    op.create_index("ix_rejected_sector", "rejected", ["sector"])

    op.create_table(
        "rejected_count",
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sector", "reason"),
    )
    op.create_table(
        "suppressed",
        sa.Column("suppressed_id", sa.String(), nullable=False),
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("raised_at", UtcInstant(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("suppressed_id"),
    )
    op.create_index("ix_suppressed_sector_raised_at", "suppressed", ["sector", "raised_at"])

    op.create_table(
        "track",
        sa.Column("track_id", sa.String(), nullable=False),
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("t", UtcInstant(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("track_id"),
    )
    op.create_index("ix_track_sector_t", "track", ["sector", "t"])


def downgrade() -> None:
    """Take the tables back to the revision before."""
    for table in (
        "alert",
        "incident",
        "meta",
        "rejected",
        "rejected_count",
        "suppressed",
        "track",
    ):
        op.drop_table(table)
