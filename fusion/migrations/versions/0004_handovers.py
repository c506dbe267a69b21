"""Hand-overs of a shift."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from fusion.tables import UtcInstant

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the tables from the revision before to this one."""
    op.create_table(
        "handover",
        sa.Column("handover_id", sa.String(), nullable=False),
        sa.Column("act", sa.String(), nullable=False),
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("signed_at", UtcInstant(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("handover_id", "act"),
    )
    op.create_index("ix_handover_sector_signed_at", "handover", ["sector", "signed_at"])


def downgrade() -> None:
    """Take the tables back to the revision before."""
    op.drop_table("handover")
