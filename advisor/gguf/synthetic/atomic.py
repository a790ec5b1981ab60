"""A large new file that is there whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from advisor.errors import InputError

_GB = 1e9


@contextmanager
def new_file(path: Path, size_bytes: int, *, replace: bool) -> Iterator[BinaryIO]:
    """A file to write `size_bytes` to, which gets its name when all went well and is removed otherwise.

    Raises `InputError` where the folder is missing, the disk too small, or a file is there and not to be replaced.
    """
    _check(path, size_bytes, replace=replace)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("xb") as file:
            yield file
        partial.replace(path)
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {(error.strerror or str(error)).lower()}") from None
    finally:
        partial.unlink(missing_ok=True)


def _check(path: Path, size_bytes: int, *, replace: bool) -> None:
    folder = path.parent
    if not folder.is_dir():
        raise InputError(f"the folder {str(folder)!r} does not exist: create it or choose another --output")
    if path.is_dir():
        raise InputError(f"{str(path)!r} is a folder: give --output the name of a file in it")
    if path.exists() and not replace:
        raise InputError(f"{str(path)!r} is there already: give --force to replace it, or choose another --output")
    free = shutil.disk_usage(folder).free
    if size_bytes > free:
        raise InputError(
            f"the file needs {size_bytes / _GB:.2f} GB and {str(folder)!r} has {free / _GB:.2f} GB free: cut the model "
            "with --layers or --experts, choose a smaller --quant or another --output"
        )
