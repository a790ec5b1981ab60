"""The distributions of the working tree, and fresh environments outside it that they are installed into."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
WINDOWS = sys.platform == "win32"


def clean() -> dict[str, str]:
    """An environment in which nothing of the checkout is found."""
    own = ("PYTHON", "ADVISOR_", "VIRTUAL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return kept | {"PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_NO_INPUT": "1", "COLUMNS": "110"}


def ran(*command: str | Path, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """A command's end, whatever it was."""
    return subprocess.run(
        [str(word) for word in command], cwd=cwd, env=clean() | environment, capture_output=True, text=True,
        check=False, stdin=subprocess.DEVNULL, timeout=500,
    )


def done(*command: str | Path, cwd: Path) -> str:
    """What a command that must succeed printed."""
    result = ran(*command, cwd=cwd)
    assert result.returncode == 0, f"{' '.join(map(str, command))}: {result.stdout[-2000:]}{result.stderr[-2000:]}"
    return result.stdout


def built(folder: Path) -> tuple[Path, Path]:
    """Sdist and wheel, made from a copy of the files that are tracked or would be, the wheel out of the sdist."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
    for name in (name for name in listed if name and (ROOT / name).is_file()):
        (folder / "tree" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / "tree" / name)
    done(sys.executable, "-m", "build", "-o", folder / "dist", folder / "tree", cwd=folder)
    (sdist,), (wheel,) = (folder / "dist").glob("*.tar.gz"), (folder / "dist").glob("*.whl")
    return sdist, wheel


@dataclass(frozen=True)
class Installed:
    """An environment with the program in it; commands run in `folder`, which is none of the checkout."""

    folder: Path

    @property
    def scripts(self) -> Path:
        """Where programs lie."""
        return self.folder / "venv" / ("Scripts" if WINDOWS else "bin")

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.scripts / ("python.exe" if WINDOWS else "python")

    def advisor(self, *words: str) -> subprocess.CompletedProcess[str]:
        """The end of a command line."""
        return ran(self.scripts / "advisor", *words, cwd=self.folder, ADVISOR_HOME=str(self.folder / "home"))

    def bytes(self) -> dict[str, int]:
        """Bytes on the disk of each package, without bytecode, which Python makes of it."""
        code = """
import importlib.metadata as metadata, json
def size(package):
    paths = {path.locate() for path in package.files or () if path.suffix != ".pyc"}
    return sum(path.stat().st_size for path in paths if path.is_file())
print(json.dumps({package.name: size(package) for package in metadata.distributions()}))"""
        found: dict[str, int] = json.loads(done(self.python, "-c", code, cwd=self.folder))
        return found


def installed(wheel: Path, folder: Path, python: str = sys.executable) -> Installed:
    """A fresh environment of that Python with the wheel and what it names, in the versions that are pinned."""
    folder.mkdir(parents=True, exist_ok=True)
    done(python, "-m", "venv", folder / "venv", cwd=folder)
    made = Installed(folder)
    done(made.python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", wheel, cwd=folder)
    return made
