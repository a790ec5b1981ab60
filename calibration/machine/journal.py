"""What a calibration has measured so far, kept on disk line by line so that an interrupted one goes on where it was."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from advisor.errors import InputError
from advisor.files import unwritable, write_whole
from advisor.profiles.store import HOME_REMEDY
from calibration.machine.trials import Trial

MOST_AGE_S = 24 * 3600.0
"""Older measurements are made anew: drivers, clocks and what else runs change from day to day."""


class Stamp(BaseModel):
    """What must be the same for measurements to be taken over: the machine, the engine, the kind of calibration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fingerprint: str
    engine: str
    plan: str
    started_s: float
    """Seconds of the epoch."""

    def continues(self, earlier: "Stamp") -> bool:
        """Whether measurements of the earlier one count for this."""
        same = (self.fingerprint, self.engine, self.plan) == (earlier.fingerprint, earlier.engine, earlier.plan)
        return same and 0 <= self.started_s - earlier.started_s <= MOST_AGE_S


@dataclass(slots=True)
class Journal:
    """The file and what it held when it was opened."""

    path: Path
    trials: list[Trial]

    @classmethod
    def open(cls, path: Path, stamp: Stamp) -> "Journal":
        """Go on with the file where it continues, else begin it anew. Raises `InputError` if it cannot be written."""
        found = _read(path)
        earlier, trials = found if found and stamp.continues(found[0]) else (stamp, [])
        lines = "".join(f"{item.model_dump_json()}\n" for item in (earlier, *trials))
        write_whole(path, lines.encode(), HOME_REMEDY)
        return cls(path, trials)

    def add(self, trial: Trial) -> None:
        """Keep one more measurement: it is on the disk when this returns."""
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(trial.model_dump_json() + "\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(str(self.path), error, HOME_REMEDY) from None
        self.trials.append(trial)

    def close(self) -> None:
        """The calibration is done: what it measured is in its profile."""
        self.path.unlink(missing_ok=True)


def _read(path: Path) -> tuple[Stamp, list[Trial]] | None:
    """What a file holds; a last line that was cut off while it was written is passed over."""
    try:
        first, *rest = path.read_bytes().split(b"\n")  # a letter of several bytes may be cut off too
        return Stamp.model_validate_json(first), list(_trials(rest))
    except (OSError, ValueError):
        return None


def _trials(lines: list[bytes]) -> Iterator[Trial]:
    for line in lines:
        try:
            yield Trial.model_validate_json(line)
        except ValidationError:
            return


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Held while a calibration runs; the system lets go of it however the process ends.

    Raises `InputError` where another one runs, or where nothing can be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "running.lock").open("a+b")
    except OSError as error:
        raise unwritable(str(folder), error, HOME_REMEDY) from None
    with file:
        if not _locked(file.fileno()):
            raise InputError(
                "another calibration is running on this machine: wait until it has ended, two at once would slow each "
                "other down"
            )
        yield


def _locked(handle: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
