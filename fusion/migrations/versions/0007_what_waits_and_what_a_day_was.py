"""Indexes: incidents that wait for people, and what of a day has changed."""

from collections.abc import Sequence

from alembic import op

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_INDEXES = {
    "ix_incident_sector_state_opened_at": ["sector", "state", "opened_at"],
    "ix_incident_sector_opened_at_revision": ["sector", "opened_at", "revision"],
}


def upgrade() -> None:
    """Bring the tables from the revision before to this one."""
    for name, columns in _INDEXES.items():
        op.create_index(name, "incident", columns)


def downgrade() -> None:
    """Take the tables back to the revision before."""
    for name in _INDEXES:
        op.drop_index(name, "incident")
