"""Alembic's entry: `Store.open(…, migrate=True)` hands its connection over.

A developer who writes a new migration has none; then the store is the one that TUANBIEN_STORE
names: `TUANBIEN_STORE=sqlite:////tmp/new.db alembic -c fusion/migrations/alembic.ini revision …`.
"""

import os

from alembic import context
from sqlalchemy import Connection
from sqlmodel import SQLModel

from fusion.incident_index import is_of_the_models
from fusion.store import connect


def _migrate(connection: Connection) -> None:
    context.configure(
        connection=connection,
        target_metadata=SQLModel.metadata,
        compare_type=True,
        include_name=is_of_the_models,
        render_as_batch=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if (given := context.config.attributes.get("connection")) is not None:
    _migrate(given)
else:
    with connect(os.environ["TUANBIEN_STORE"]).begin() as own:
        _migrate(own)
