"""What alembic runs: the steps on the connection that `upgrade` hands over."""

from alembic import context

from webapp.api.storage import TABLES

context.configure(connection=context.config.attributes["connection"], target_metadata=TABLES, transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
