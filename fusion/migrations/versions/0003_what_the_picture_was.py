"""What the picture was: for playback."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from fusion.tables import UtcInstant

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the tables from the revision before to this one."""
    op.create_table(
        "history_line",
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("minute", sa.BigInteger(), nullable=False),
        sa.Column("track_id", sa.String(), nullable=False),
        sa.Column("has_lost", sa.Boolean(), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sector", "minute", "track_id"),
    )
    op.create_table(
        "history_span",
        sa.Column("sector", sa.String(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("since", UtcInstant(), nullable=False),
        sa.Column("until", UtcInstant(), nullable=False),
        sa.Column("is_over", sa.Boolean(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sector", "sender", "since"),
    )
    op.create_index("ix_history_span_sector_until", "history_span", ["sector", "until"])


def downgrade() -> None:
    """Take the tables back to the revision before."""
    op.drop_table("history_span")
    op.drop_table("history_line")
