"""Where a person's own prices are. Reads no database, so that a question that needs none starts none."""

import os
from pathlib import Path
from typing import Final

VARIABLE: Final = "ADVISOR_DATABASE_URL"
FILE: Final = "prices.sqlite3"
"""In the user's data folder."""


def address(home: Path) -> str | None:
    """By ADVISOR_DATABASE_URL, else in the data folder; None where nothing is stored."""
    if os.environ.get(VARIABLE, "").strip() or (home / FILE).is_file():
        return address_to_write(home)
    return None


def address_to_write(home: Path) -> str:
    """Where they are to be stored."""
    return os.environ.get(VARIABLE, "").strip() or f"sqlite:///{home / FILE}"
