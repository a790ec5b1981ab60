"""How the database of stored calibrations came to its present form, step by step (alembic)."""

from advisor.databases import engine_of, migrate


def upgrade(url: str) -> None:
    """Bring the database at an address to the present form. Safe when several servers start together.

    Raises `InputError` for a database that cannot be used.
    """
    engine = engine_of(url)
    try:
        migrate(engine, __name__, "alembic_version")
    finally:
        engine.dispose()
