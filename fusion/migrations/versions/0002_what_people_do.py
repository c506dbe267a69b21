"""What people do about incidents."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from fusion.tables import UtcInstant

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the tables from the revision before to this one."""
    op.create_table(
        "deed",
        sa.Column("message_id", sa.String(), nullable=False),
        sa.Column("incident_id", sa.String(), nullable=False),
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("received_at", UtcInstant(), nullable=False),
        sa.Column("verb", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("result", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("message_id"),
    )
    op.create_index("ix_deed_incident_id", "deed", ["incident_id"])
    op.create_index("ix_deed_sector_received_at", "deed", ["sector", "received_at"])


def downgrade() -> None:
    """Take the tables back to the revision before."""
    op.drop_table("deed")
