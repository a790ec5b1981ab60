"""Model files on the server: only those under the one configured folder, and nothing of its paths in any answer."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from advisor.errors import InputError

if TYPE_CHECKING:
    from advisor.gguf.model_file import ModelFile

FileReader = Callable[[str, str | None], "ModelFile"]
_NOT_THERE = "no such model file in the folder that this server reads"


def reader(folder: Path | None) -> FileReader:
    """Reads the header of a file under `folder`, named relative to it. The reader raises `InputError`."""

    def read(given: str, quant: str | None) -> "ModelFile":
        if folder is None:
            raise InputError("this server reads no model files: name the model and the quant instead")
        path = inside(folder, given)
        from advisor.gguf.model_file import read_model_file

        try:
            return read_model_file(path, quant)
        except InputError as error:
            raise InputError(_without_paths(str(error), path, folder)) from None

    return read


def inside(folder: Path, given: str) -> Path:
    """The file's real path. Raises `InputError`, alike for what is outside, missing or no file."""
    try:
        root = folder.resolve(strict=True)
        path = (root / given).resolve(strict=True)
        parts = [part.resolve(strict=True) for part in _parts(path)]
    except (OSError, ValueError, RuntimeError):
        raise InputError(_NOT_THERE) from None
    if not all(part.is_relative_to(root) and part.is_file() for part in (path, *parts)):
        raise InputError(_NOT_THERE)
    return path


def _parts(path: Path) -> list[Path]:
    """The other parts of a split model, which are read along: they must not lead elsewhere either."""
    stem, of, total = path.stem.rpartition("-of-")
    if not (of and total.isdigit() and len(total) == 5 and stem[-5:].isdigit()):
        return []
    return [found for found in path.parent.iterdir() if found.name.startswith(stem[:-5]) and found.suffix == ".gguf"]


def _without_paths(text: str, path: Path, folder: Path) -> str:
    for known in (str(path.parent), str(folder.resolve()), str(folder)):
        text = text.replace(f"{known}/", "").replace(known, "the folder")
    return text
