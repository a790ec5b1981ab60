"""What alembic runs: the steps on the connection that `advisor.databases.migrate` hands over."""

from alembic import context

told = context.config.attributes
context.configure(connection=told["connection"], version_table=told["version_table"], transactional_ddl=True)
with context.begin_transaction():
    context.run_migrations()
