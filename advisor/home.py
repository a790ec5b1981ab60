"""Where the user's data lies. For the faces only: everything below takes folders as arguments."""

import os
from pathlib import Path
from typing import Final

CALIBRATIONS: Final = "calibrations"
"""Folder of the calibration profiles in the user's data folder."""


def data_folder() -> Path:
    """The folder named by ADVISOR_HOME, else the platform's folder for user data; it need not exist yet."""
    named = os.environ.get("ADVISOR_HOME", "").strip()
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("advisor", appauthor=False)
