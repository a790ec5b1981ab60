"""How the database of a person's own prices came to its present form, step by step (alembic)."""
