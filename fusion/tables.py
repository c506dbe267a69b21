"""The store's tables.

A row's `document` is the very JSON that went over the wire; the columns beside it are what
queries look for.
"""

from datetime import UTC, datetime
from typing import ClassVar, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Dialect,
    Index,
    Integer,
    LargeBinary,
    Text,
    TypeDecorator,
    column,
)
from sqlalchemy.dialects.postgresql import TSVECTOR
from sqlmodel import Field, SQLModel


class UtcInstant(TypeDecorator[datetime]):
    """An aware UTC time; SQLite, which knows no zones, holds it without one."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time; write any other in UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"{value!r} has no time zone"
            raise ValueError(msg)
        utc = value if value.tzinfo is UTC else value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Read a time as aware UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class AlertRow(SQLModel, table=True):
    """An alert that was issued; it never changes, but for `published`."""

    __tablename__: ClassVar[str] = "alert"
    __table_args__ = (
        Index("ix_alert_sector_issued_at", "sector", "issued_at"),
        # Asked for every few seconds, and seldom any: not to be looked for among a million.
        Index(
            "ix_alert_unpublished",
            "sector",
            "issued_at",
            sqlite_where=column("published", Boolean()).is_(False),
            postgresql_where=column("published", Boolean()).is_(False),
        ),
    )

    alert_id: str = Field(primary_key=True)
    incident_id: str = Field(index=True)
    sector: str
    kind: str
    severity: str
    raised_at: datetime = Field(sa_type=UtcInstant)
    issued_at: datetime = Field(sa_type=UtcInstant)
    published: bool  # has the broker acknowledged it
    document: str = Field(sa_type=Text)


class IncidentRow(SQLModel, table=True):
    """An incident as it stands; `revision` grows with every change to any incident."""

    __tablename__: ClassVar[str] = "incident"
    __table_args__ = (
        Index("ix_incident_sector_revision", "sector", "revision"),
        # What waits, and what of a day has changed, without a look at the documents.
        Index("ix_incident_sector_state_opened_at", "sector", "state", "opened_at"),
        Index("ix_incident_sector_opened_at_revision", "sector", "opened_at", "revision"),
    )

    incident_id: str = Field(primary_key=True)
    sector: str
    kind: str
    state: str
    opened_at: datetime = Field(sa_type=UtcInstant, index=True)
    updated_at: datetime = Field(sa_type=UtcInstant)
    revision: int = Field(sa_type=BigInteger)
    document: str = Field(sa_type=Text)


# SQLite's own row number must be an INTEGER; a text of words is a vector of them in PostgreSQL.
ROW_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
WORDS: Final = Text().with_variant(TSVECTOR, "postgresql")


class IncidentLogRow(SQLModel, table=True):
    """An incident's place in the log, in order of `opened_at`, and the words that find it.

    The index over the words is SQLite's FTS5 or PostgreSQL's GIN (`fusion.incident_index`).
    """

    __tablename__: ClassVar[str] = "incident_log"

    log_id: int = Field(sa_column=Column(ROW_NUMBER, primary_key=True, autoincrement=False))
    incident_id: str = Field(unique=True)
    words: str = Field(sa_column=Column(WORDS, nullable=False))


class TrackRow(SQLModel, table=True):
    """The latest line of a track."""

    __tablename__: ClassVar[str] = "track"
    __table_args__ = (Index("ix_track_sector_t", "sector", "t"),)

    track_id: str = Field(primary_key=True)
    sector: str
    t: datetime = Field(sa_type=UtcInstant)
    state: str
    document: str = Field(sa_type=Text)


class SuppressedRow(SQLModel, table=True):
    """An alert that was held back, and why; it may be taken back."""

    __tablename__: ClassVar[str] = "suppressed"
    __table_args__ = (Index("ix_suppressed_sector_raised_at", "sector", "raised_at"),)

    suppressed_id: str = Field(primary_key=True)
    sector: str
    raised_at: datetime = Field(sa_type=UtcInstant)
    document: str = Field(sa_type=Text)


class RejectedRow(SQLModel, table=True):
    """One of the last messages that were refused: its beginning and the reason."""

    __tablename__: ClassVar[str] = "rejected"

    rejected_id: int | None = Field(default=None, primary_key=True)
    sector: str = Field(index=True)
    received_at: datetime = Field(sa_type=UtcInstant)
    topic: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    size_bytes: int
    excerpt: str = Field(sa_type=Text)


class RejectedCountRow(SQLModel, table=True):
    """How many messages were ever refused for a reason, names and numbers in it left out."""

    __tablename__: ClassVar[str] = "rejected_count"

    sector: str = Field(primary_key=True)
    reason: str = Field(primary_key=True)
    count: int = Field(sa_type=BigInteger)


class DeedRow(SQLModel, table=True):
    """A command of somebody's and what became of it; it never changes."""

    __tablename__: ClassVar[str] = "deed"
    __table_args__ = (Index("ix_deed_sector_received_at", "sector", "received_at"),)

    message_id: str = Field(primary_key=True)
    incident_id: str = Field(index=True)
    sector: str
    received_at: datetime = Field(sa_type=UtcInstant)
    verb: str
    actor: str
    result: str
    version: int = Field(sa_type=BigInteger)
    document: str = Field(sa_type=Text)


class HistoryLineRow(SQLModel, table=True):
    """A track's lines of one minute, at most one a second (`fusion.history.pack`)."""

    __tablename__: ClassVar[str] = "history_line"

    sector: str = Field(primary_key=True)
    minute: int = Field(primary_key=True, sa_type=BigInteger)  # since 1970
    track_id: str = Field(primary_key=True)
    has_lost: bool  # one of its lines is of somebody lost near the line: shown for long after
    packed: bytes = Field(sa_type=LargeBinary)


class HistorySpanRow(SQLModel, table=True):
    """From when until when a device or unit was heard saying much the same, or fusion ran."""

    __tablename__: ClassVar[str] = "history_span"
    __table_args__ = (Index("ix_history_span_sector_until", "sector", "until"),)

    sector: str = Field(primary_key=True)
    sender: str = Field(primary_key=True)  # `fusion`: it ran
    since: datetime = Field(primary_key=True, sa_type=UtcInstant)
    until: datetime = Field(sa_type=UtcInstant)
    is_over: bool
    document: str = Field(sa_type=Text)


class EvidenceRow(SQLModel, table=True):
    """A crop of what a device detected; the picture is a file (`fusion.evidence`)."""

    __tablename__: ClassVar[str] = "evidence"
    __table_args__ = (
        Index("ix_evidence_sector_due_at", "sector", "due_at"),
        Index("ix_evidence_sector_sha256", "sector", "sha256"),
    )

    sector: str = Field(primary_key=True)
    evidence_id: str = Field(primary_key=True)
    device_id: str
    captured_at: datetime = Field(sa_type=UtcInstant)
    sha256: str
    size_bytes: int
    due_at: datetime = Field(sa_type=UtcInstant)  # counted from then, it is old enough to go


class TrackEvidenceRow(SQLModel, table=True):
    """A track's line of an instant named a crop; the crop itself may not have come."""

    __tablename__: ClassVar[str] = "track_evidence"
    __table_args__ = (
        Index("ix_track_evidence_sector_evidence_id", "sector", "evidence_id"),
        Index("ix_track_evidence_sector_at", "sector", "at"),
    )

    sector: str = Field(primary_key=True)
    track_id: str = Field(primary_key=True)
    evidence_id: str = Field(primary_key=True)
    at: datetime = Field(sa_type=UtcInstant)


class IncidentTrackRow(SQLModel, table=True):
    """An incident was said to be about a track, once at least."""

    __tablename__: ClassVar[str] = "incident_track"

    sector: str = Field(primary_key=True)
    track_id: str = Field(primary_key=True)
    incident_id: str = Field(primary_key=True)


class HandoverRow(SQLModel, table=True):
    """A signature under the hand-over of a shift: who gave it, who took it. It never changes."""

    __tablename__: ClassVar[str] = "handover"
    __table_args__ = (Index("ix_handover_sector_signed_at", "sector", "signed_at"),)

    handover_id: str = Field(primary_key=True)
    act: str = Field(primary_key=True)  # give, take
    sector: str
    signed_at: datetime = Field(sa_type=UtcInstant)
    document: str = Field(sa_type=Text)


class AccountRow(SQLModel, table=True):
    """Somebody who may log in; never deleted, so that a name in the log stays one person's."""

    __tablename__: ClassVar[str] = "account"

    account: str = Field(primary_key=True)  # what they type
    shown_name: str = Field(unique=True)  # what their steps are signed with
    role: str
    unit: str | None
    sectors: str  # their ids with blanks between, or `*`
    password_hash: str | None = Field(sa_type=Text)  # None: logs in elsewhere (`subject`)
    subject: str | None = Field(unique=True, sa_type=Text)  # issuer and subject of OpenID Connect
    must_change: bool  # the password is one that somebody else gave
    password_at: datetime = Field(sa_type=UtcInstant)
    locked: bool
    created_at: datetime = Field(sa_type=UtcInstant)
    logged_in_at: datetime | None = Field(sa_type=UtcInstant)


class LoginSessionRow(SQLModel, table=True):
    """Somebody who is logged in. The session's own id is the browser's alone."""

    __tablename__: ClassVar[str] = "login_session"

    digest: str = Field(primary_key=True)  # SHA-256 of the id, hexadecimal
    account: str = Field(index=True)
    began_at: datetime = Field(sa_type=UtcInstant)
    seen_at: datetime = Field(sa_type=UtcInstant)


class LoginFailureRow(SQLModel, table=True):
    """How often a log-in failed of late, for an account, a known browser or an address."""

    __tablename__: ClassVar[str] = "login_failure"

    whose: str = Field(primary_key=True)
    count: int
    began_at: datetime = Field(sa_type=UtcInstant, index=True)  # of the time they are counted in


class KnownBrowserRow(SQLModel, table=True):
    """A browser in which an account has logged in before: strangers cannot lock it out."""

    __tablename__: ClassVar[str] = "known_browser"

    digest: str = Field(primary_key=True)  # SHA-256 of what the browser keeps
    account: str = Field(primary_key=True)
    seen_at: datetime = Field(sa_type=UtcInstant, index=True)


class MetaRow(SQLModel, table=True):
    """What the store knows about itself: the last revision, each sector's place in its journal."""

    __tablename__: ClassVar[str] = "meta"

    key: str = Field(primary_key=True)
    text: str = Field(default="", sa_type=Text)
    number: int = Field(default=0, sa_type=BigInteger)


# The same as SQLAlchemy tables: the store reads and writes in bulk.
ALERT: Final = SQLModel.metadata.tables["alert"]
INCIDENT: Final = SQLModel.metadata.tables["incident"]
INCIDENT_LOG: Final = SQLModel.metadata.tables["incident_log"]
TRACK: Final = SQLModel.metadata.tables["track"]
SUPPRESSED: Final = SQLModel.metadata.tables["suppressed"]
REJECTED: Final = SQLModel.metadata.tables["rejected"]
REJECTED_COUNT: Final = SQLModel.metadata.tables["rejected_count"]
DEED: Final = SQLModel.metadata.tables["deed"]
HANDOVER: Final = SQLModel.metadata.tables["handover"]
META: Final = SQLModel.metadata.tables["meta"]
EVIDENCE: Final = SQLModel.metadata.tables["evidence"]
TRACK_EVIDENCE: Final = SQLModel.metadata.tables["track_evidence"]
INCIDENT_TRACK: Final = SQLModel.metadata.tables["incident_track"]
HISTORY_LINE: Final = SQLModel.metadata.tables["history_line"]
HISTORY_SPAN: Final = SQLModel.metadata.tables["history_span"]
ACCOUNT: Final = SQLModel.metadata.tables["account"]
LOGIN_SESSION: Final = SQLModel.metadata.tables["login_session"]
LOGIN_FAILURE: Final = SQLModel.metadata.tables["login_failure"]
KNOWN_BROWSER: Final = SQLModel.metadata.tables["known_browser"]
