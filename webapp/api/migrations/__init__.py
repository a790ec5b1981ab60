"""How the database of stored calibrations came to its present form, step by step (alembic)."""

from importlib.resources import as_file, files

from alembic import command
from alembic.config import Config
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from advisor.errors import InputError
from webapp.api.storage import engine_of

LOCK = 7_263_541_902
"""Number of the PostgreSQL advisory lock that servers which start together take in turn."""


def upgrade(url: str) -> None:
    """Bring the database at an address to the present form. Safe when several servers start together.

    Raises `InputError` for a database that cannot be used.
    """
    engine = engine_of(url)
    try:
        with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": LOCK})
            else:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            with as_file(files(__name__)) as folder:
                config = Config()
                config.set_main_option("script_location", str(folder).replace("%", "%%"))
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise InputError(f"the database of ADVISOR_DATABASE_URL cannot be used: {said}") from None
    finally:
        engine.dispose()
