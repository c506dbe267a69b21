"""An index: alerts that the broker has not taken yet, without a look at those of all times."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the tables from the revision before to this one."""
    waits = sa.column("published", sa.Boolean()).is_(False)
    op.create_index(
        "ix_alert_unpublished",
        "alert",
        ["sector", "issued_at"],
        sqlite_where=waits,
        postgresql_where=waits,
    )


def downgrade() -> None:
    """Take the tables back to the revision before."""
    op.drop_index("ix_alert_unpublished", "alert")
