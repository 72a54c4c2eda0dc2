"""Alembic's entry: run the migrations on the connection that `storage.migrate` opened and will commit."""

from alembic import context

from storage.schema import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    render_as_batch=True,  # SQLite rebuilds a table for most changes
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
