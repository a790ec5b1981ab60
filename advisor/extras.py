"""What a base install lacks: which extra brings it, and the very command that installs it here.

How this program was installed is read from its own metadata (PEP 610 direct_url.json: a clone, a wheel's file, a
repository, else an index), so that the command that is told works as it stands.
"""

import shlex
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from shutil import which
from typing import Any, Final

from advisor.errors import InputError

PACKAGE: Final = "llm-hardware-advisor"
ENGINE: Final = "engine"
MODULES: Final[Mapping[str, tuple[str, ...]]] = {
    "engine": ("llama_cpp", "gguf"),
    "prices": ("sqlalchemy", "alembic"),
    "calibrate": ("scipy",),
    "hub": ("httpx",),
    "shops": ("httpx",),
    "mcp": ("mcp",),
    "plots": ("matplotlib",),
    "sweep": ("pyarrow", "pandas"),
    "cluster": ("distributed", "pyarrow", "pandas"),
    "web": ("streamlit", "pandas"),
    "api": ("fastapi", "uvicorn", "prometheus_client", "pydantic_settings", "httpx"),
}
"""Modules that the commands of each extra cannot do without."""
WINDOWS: Final = sys.platform == "win32"


class ExtraMissing(InputError):
    """Packages are not installed that a command needs; the message has the command that installs them."""


def extra_of(module: str) -> str | None:
    """The extra that brings a module; None for modules of the base.

    >>> extra_of("scipy.optimize"), extra_of("numpy")
    ('calibrate', None)
    """
    top = module.partition(".")[0]
    return next((extra for extra, modules in MODULES.items() if top in modules), None)


def require(what: str, *extras: str) -> None:
    """Raise `ExtraMissing` where a module of the extras, which `what` needs, is not installed."""
    missing = [extra for extra in extras if any(find_spec(module) is None for module in MODULES[extra])]
    if missing:
        raise lacking(what, *missing)


def lacking(what: str, *extras: str) -> ExtraMissing:
    """The error of a command that needs extras."""
    names = " and ".join(f"{extra!r}" for extra in extras)
    return ExtraMissing(f"{what} needs the extra{'s' * (len(extras) > 1)} {names}: {install_command(*extras)}")


def install_command(*extras: str) -> str:
    """What to type to have the extras here, as the shell of this system reads it."""
    words, clone = f"{installer()} {_requirement(','.join(extras))}", _clone()
    build = clone / "scripts" / "install-engine" if clone and ENGINE in extras and not WINDOWS else None
    # By pip alone llama.cpp may be built such that it crashes: the script of a clone knows where.
    return f"{quoted(str(build))} {quoted(sys.executable)} && {words}" if build and build.is_file() else words


def installer(python: str = sys.executable) -> str:
    """The words before what is to be installed into this environment: pip's, or uv's where it made the environment."""
    if find_spec("pip") is None and (uv := which("uv")):
        return f"{quoted(uv)} pip install --python {quoted(python)}"
    return f"{'& ' * (WINDOWS and ' ' in python)}{quoted(python)} -m pip install"


def quoted(word: str) -> str:
    """A word as the shell of this system reads it: PowerShell on Windows, else a POSIX shell."""
    if WINDOWS:
        return word if word.isascii() and not set(word) & set(" '\"[]@;&$()") else "'" + word.replace("'", "''") + "'"
    return shlex.quote(word)


def _origin() -> tuple[dict[str, Any], Path | None]:
    """What is written of where it was installed from, and the path where that is on this computer."""
    # Only one who lacks something pays for importing these.
    import json
    from importlib.metadata import distributions
    from urllib.parse import unquote, urlsplit
    from urllib.request import url2pathname

    # Run in a clone, its egg-info stands before what pip wrote into the environment.
    texts = (item.read_text("direct_url.json") for item in distributions(name=PACKAGE))
    text = next(filter(None, texts), None)
    found: dict[str, Any] = json.loads(text) if text else {}
    url = str(found.get("url", ""))
    return found, Path(url2pathname(unquote(urlsplit(url).path))) if url.startswith("file:") else None


def _clone() -> Path | None:
    """The folder that it was installed from."""
    found, path = _origin()
    return path if "dir_info" in found else None


def _requirement(extras: str) -> str:
    (found, path), named = _origin(), f"{PACKAGE}[{extras}]"
    url = str(found.get("url", ""))
    if path is not None and not path.exists():
        return quoted(named)  # it was installed from a place that is gone
    if path is not None and "dir_info" in found:
        pins = path / "constraints.txt"
        words = ["-c", quoted(str(pins))] if pins.is_file() else []
        return " ".join([*words, *["-e"] * bool(found["dir_info"].get("editable")), quoted(f"{path}[{extras}]")])
    if version := found.get("vcs_info"):
        return quoted(f"{named} @ {version['vcs']}+{url}@{version['commit_id']}")
    return quoted(f"{named} @ {url}") if path is not None else quoted(named)
