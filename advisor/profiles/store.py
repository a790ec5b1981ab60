"""Calibration profiles kept on this computer: one JSON file each, written beside its place and renamed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from pydantic import ValidationError

from advisor.errors import InputError, reason
from advisor.files import beginning, write_whole
from catalog.names.index import nearest
from catalog.profiles import MAX_BYTES, BadProfile, Outline, Profile, outline_of, read_profile

CALIBRATIONS: Final = "calibrations"
"""Folder of the calibration profiles in the user's data folder."""
HOME_REMEDY: Final = "free some room or make the folder writable; ADVISOR_HOME names another"
"""What to do where the data folder takes no file."""
SUFFIX: Final = ".json"
OUTLINE_BYTES: Final = 4096
"""Of a file's beginning, in which a profile's outline stands: it has some 700 bytes, and 100 more for each device."""
Told = TypeVar("Told", bound=Outline)


def data_folder() -> Path:
    """The folder named by ADVISOR_HOME, else the platform's folder for user data; it need not exist yet.

    For the faces only: everything else takes folders as arguments.
    """
    named = os.environ.get("ADVISOR_HOME", "").strip()
    if named:
        return Path(named).expanduser()
    from platformdirs import user_data_path

    return user_data_path("advisor", appauthor=False)


@dataclass(frozen=True, slots=True)
class StoredProfile:
    """A profile of which only the outline was read."""

    outline: Outline
    path: Path

    def read(self) -> Profile:
        """All of it. Raises `InputError` for a file that is no profile after all, or is gone."""
        return _profile_at(self.path)


@dataclass(frozen=True, slots=True)
class ProfileStore:
    """The profiles in the user's data folder, which need not exist yet."""

    home: Path

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.home / CALIBRATIONS

    def paths(self) -> list[Path]:
        """Every profile's file, by name."""
        return sorted(self.folder.glob(f"*{SUFFIX}")) if self.folder.is_dir() else []

    def path_of(self, name: str) -> Path:
        """The file of the profile of that name."""
        return self.folder / f"{name}{SUFFIX}"

    def names(self) -> list[str]:
        """Names of all profiles."""
        return [path.name.removesuffix(SUFFIX) for path in self.paths()]

    def named(self, name: str) -> Profile:
        """The profile of that name. Raises `InputError` with the names there are."""
        return _profile_at(self._found(name))

    def each(self) -> Iterator[Profile | InputError]:
        """Every profile by name; in place of one that cannot be read the sentence that says why."""
        for path in self.paths():
            try:
                yield _profile_at(path)
            except InputError as error:
                yield error

    def outlines(self) -> Iterator[StoredProfile | Profile | InputError]:
        """Every profile by name as `each`, but of a fitted one no more than its outline: of thousands, a question needs
        the one of its machine.
        """
        for path in self.paths():
            try:
                outline = outline_of(beginning(path, OUTLINE_BYTES, path.name))
                yield StoredProfile(_named_as(path, outline), path) if outline else _profile_at(path)
            except InputError as error:
                yield error

    def save(self, profile: Profile) -> Path:
        """Write the profile, in place of one of its name. Raises `InputError` where nothing can be written."""
        path = self.path_of(profile.name)
        write_whole(path, (profile.model_dump_json(indent=1, exclude_defaults=True) + "\n").encode(), HOME_REMEDY)
        return path

    def remove(self, name: str) -> None:
        """Delete the profile of that name. Raises `InputError` where there is none or it cannot be deleted."""
        path = self._found(name)
        try:
            path.unlink()
        except OSError as error:
            raise InputError(f"{path} cannot be removed ({reason(error)}): make its folder writable") from None

    def _found(self, name: str) -> Path:
        path = self.path_of(name)
        if path not in self.paths():
            raise InputError(f"there is no calibration profile {name!r}: {self._names_near(name)}")
        return path

    def _names_near(self, name: str) -> str:
        names = self.names()
        if not names:
            return "none is stored here; `advisor calibrate` makes one of this machine"
        return f"there are {', '.join(nearest(name, names) or names[:4])}"


def _profile_at(path: Path) -> Profile:
    return _named_as(path, profile_in(path))


def _named_as(path: Path, found: Told) -> Told:
    """What a stored file holds has the file's name: a renamed or copied file is another profile."""
    name = path.name.removesuffix(SUFFIX)
    try:
        return found if found.name == name else type(found).model_validate(found.model_dump() | {"name": name})
    except ValidationError:
        raise InputError(f"{path.name} has a name that no profile can have: rename it") from None


def profile_in(path: Path) -> Profile:
    """The profile in a file. Raises `InputError` for a file that is none or cannot be read."""
    content = beginning(path, MAX_BYTES + 1, path.name)
    try:
        return read_profile(content)
    except BadProfile as error:
        raise InputError(f"{path.name} is no calibration profile that can be used: {error}") from None
