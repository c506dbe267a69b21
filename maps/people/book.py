"""The tables of accounts and sessions: a connection to the store's database, in transactions."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

import sqlalchemy as sa

from edge.messages import RefusedError
from fusion.store import Store, connect


class Book:
    """Where it is written who may log in and who has. Safe to use from several threads."""

    def __init__(self, engine: sa.Engine) -> None:
        """Use `Book.open`."""
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """Open the store's database; its tables are made where they are not there yet.

        Raises:
            RefusedError: It cannot be reached or written, or its tables are of another version.
        """
        Store.open(url, migrate=True).close()
        return cls(connect(url))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """Give a connection to read from: it waits for no writer.

        Raises:
            RefusedError: The database cannot be reached now.
        """
        try:
            with self._engine.connect() as connection:
                yield connection
        except sa.exc.DBAPIError as error:
            raise _away(error) from error

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Give a connection that nobody else writes beside; all is kept or nothing.

        Raises:
            RefusedError: The database cannot be reached or written now.
        """
        try:
            with self._engine.begin() as connection:
                if connection.dialect.name == "sqlite":  # else what was read may be old by now
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                yield connection
        except (sa.exc.IntegrityError, sa.exc.DataError):
            raise  # for whoever wrote to explain
        except sa.exc.DBAPIError as error:
            raise _away(error) from error


def digest_of(secret: str) -> str:
    """Return the SHA-256 of a random secret: who reads the database can use none of them."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _away(error: sa.exc.DBAPIError) -> RefusedError:
    why = str(error.orig).strip().partition("\n")[0]
    return RefusedError(f"cannot use the accounts in the store: {why}")
