"""The model file that a question names: a path, an address, or a repository of Hugging Face with the file to take."""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from advisor.asked import GgufFile, HfModel
from advisor.errors import InputError
from advisor.gguf.model_file import ModelFile, described, read_model_file
from advisor.gguf.parts import SPLIT_NAME, read_header
from advisor.gguf.web import Access, Fetcher, Web, file_name, is_address

HUB = "https://huggingface.co"
"""The environment's HF_ENDPOINT names another, as for the programs of Hugging Face."""
REPOSITORY = re.compile(r"(?:https?://[^/]+/)?(\w[\w.-]{0,95}/\w[\w.-]{0,95})(?::([\w.-]{1,40}))?/?")
MOST_LISTED_BYTES = 4 << 20
"""Of a repository's list of files; of one with thousands it is about 1 MB."""
SHOWN_FILES = 6
COMMON = ("Q4_K_M", "Q4_K_XL", "IQ4_XS", "Q8_0", "MXFP4", "BF16", "F16")
"""What is taken where neither file nor quantisation is named, the first that is there."""
_NO_MODEL = re.compile(r"mmproj|imatrix|draft|dspark|eagle|mtp-head", re.IGNORECASE)


def read_named(model: GgufFile | HfModel, quant: str | None, access: Access | None) -> ModelFile:
    """Read and describe the file that a question names; `access` says which servers may be asked (None: none).

    Raises `InputError` and `UnknownName` as `read_model_file` does, and for what no server gives.
    """
    if isinstance(model, HfModel):
        address, quant = _file_of(model, quant, _allowed(access))
    elif is_address(model.gguf):
        address = model.gguf.replace("/blob/", "/resolve/", 1) if "/blob/" in model.gguf else model.gguf
    else:
        return read_model_file(model.gguf, quant)
    web = Web(address, _allowed(access))
    return described(read_header(Path(file_name(address)), web), quant)


def _allowed(access: Access | None) -> Access:
    if access is None:
        raise InputError("models are not read from other servers here: name the model and the quant instead")
    return access


def hub() -> str:
    """The address of Hugging Face, or of what stands for it."""
    return (os.environ.get("HF_ENDPOINT") or HUB).rstrip("/")


def _file_of(model: HfModel, quant: str | None, access: Access) -> tuple[str, str | None]:
    """The address of the file to read, and the quantisation it is asked as."""
    named = REPOSITORY.fullmatch(model.hf)
    if not named:
        raise InputError(f'{model.hf!r} is no repository: write "owner/repository", or the address of a file')
    repository, wanted = named[1], quant or named[2]
    if model.file:
        return f"{hub()}/{repository}/resolve/main/{quote(model.file)}", quant
    files = _ggufs(repository, access)
    chosen = _chosen(repository, files, wanted)
    return f"{hub()}/{repository}/resolve/main/{quote(chosen)}", wanted


def _ggufs(repository: str, access: Access) -> list[str]:
    """Paths of the model files of a repository, first parts of split ones alone."""
    fetch = Fetcher(access)
    with fetch.session():
        text = fetch.text(f"{hub()}/api/models/{repository}/tree/main?recursive=true", MOST_LISTED_BYTES)
    try:
        listed = [item["path"] for item in json.loads(text) if item.get("type", "file") == "file"]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise InputError(f"the list of files of {repository!r} cannot be read: name a file by its address") from None
    found = []
    for path in sorted(path for path in listed if isinstance(path, str) and path.lower().endswith(".gguf")):
        part = SPLIT_NAME.fullmatch(path.rpartition("/")[2])
        if not _NO_MODEL.search(path) and (part is None or int(part["number"]) == 1):
            found.append(path)
    if not found:
        raise InputError(
            f"{repository!r} has no GGUF file: name a repository that has, often one whose name ends with -GGUF, or "
            "give its config.json with --config"
        )
    return found


def _chosen(repository: str, files: Sequence[str], wanted: str | None) -> str:
    """The file of the wanted quantisation, else the only one, else of a common one."""
    if wanted:
        matching = _of_quant(files, wanted)
        if not matching:
            raise InputError(f"{repository!r} has no file of {wanted}: it has {_shown(files)}")
        return matching[0]
    if len(files) == 1:
        return files[0]
    for common in COMMON:
        if matching := _of_quant(files, common):
            return matching[0]
    raise InputError(f"{repository!r} has {len(files)} files: name one with its file, such as {_shown(files)}")


def _of_quant(files: Sequence[str], quant: str) -> list[str]:
    """The files whose names carry that label whole, plain ones before others."""
    label = re.compile(rf"(?<![a-z0-9_]){re.escape(quant.lower())}(?![a-z0-9_])")
    return sorted((path for path in files if label.search(path.lower())), key=lambda path: (len(path), path))


def _shown(files: Sequence[str]) -> str:
    more = f" and {len(files) - SHOWN_FILES} more" if len(files) > SHOWN_FILES else ""
    return ", ".join(files[:SHOWN_FILES]) + more
