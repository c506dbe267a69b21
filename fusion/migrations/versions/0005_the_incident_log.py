"""The incident log: every incident in order, and the words that find it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from fusion.incident_index import make
from fusion.tables import ROW_NUMBER, WORDS

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the tables from the revision before to this one."""
    op.create_table(
        "incident_log",
        sa.Column("log_id", ROW_NUMBER, autoincrement=False, nullable=False),
        sa.Column("incident_id", sa.String(), nullable=False),
        sa.Column("words", WORDS, nullable=False),
        sa.PrimaryKeyConstraint("log_id"),
        sa.UniqueConstraint("incident_id"),
    )
    make(op.get_bind())


def downgrade() -> None:
    """Take the tables back to the revision before."""
    if op.get_bind().dialect.name == "sqlite":
        op.execute("DROP TABLE incident_words")
    op.drop_table("incident_log")
