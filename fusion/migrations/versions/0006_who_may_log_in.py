"""Who may log in: accounts, sessions, failures, known browsers."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from fusion.tables import UtcInstant

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    """Bring the tables from the revision before to this one."""
    op.create_table(
        "account",
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("shown_name", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=True),
        sa.Column("sectors", sa.String(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("password_at", UtcInstant(), nullable=False),
        sa.Column("locked", sa.Boolean(), nullable=False),
        sa.Column("created_at", UtcInstant(), nullable=False),
        sa.Column("logged_in_at", UtcInstant(), nullable=True),
        sa.PrimaryKeyConstraint("account"),
        sa.UniqueConstraint("shown_name"),
        sa.UniqueConstraint("subject"),
    )
    op.create_table(
        "login_session",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("began_at", UtcInstant(), nullable=False),
        sa.Column("seen_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_login_session_account", "login_session", ["account"])
    op.create_table(
        "login_failure",
        sa.Column("whose", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("began_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("whose"),
    )
    op.create_index("ix_login_failure_began_at", "login_failure", ["began_at"])
    op.create_table(
        "known_browser",
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("account", sa.String(), nullable=False),
        sa.Column("seen_at", UtcInstant(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "account"),
    )
    op.create_index("ix_known_browser_seen_at", "known_browser", ["seen_at"])


def downgrade() -> None:
    """Take the tables back to the revision before."""
    op.drop_table("known_browser")
    op.drop_table("login_failure")
    op.drop_table("login_session")
    op.drop_table("account")
