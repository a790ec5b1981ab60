"""A file is there whole or not at all, and what is no file is written straight (no device of the system is)."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.errors import InputError
from advisor.files import new_file, remove_drafts, write_whole, written_straight


class Stop(Exception):
    """What a writer may raise."""


@pytest.fixture
def received(tmp_path: Path) -> Iterator[tuple[Path, list[bytes]]]:
    """A named pipe, and what its reader got."""
    pipe, found = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()), daemon=True)
    reader.start()
    yield pipe, found
    reader.join(10)
    assert not reader.is_alive()


def stop(file: BinaryIO, error: type[BaseException] | BaseException) -> None:
    file.write(b"half")
    raise error


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@given(pieces=st.lists(st.binary(max_size=200), max_size=8), old=st.none() | st.binary(max_size=200))
def test_the_file_holds_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes], old: bytes | None
) -> None:
    path = tmp_path_factory.mktemp("written") / "file.bin"
    if old is not None:
        path.write_bytes(old)
    with new_file(path) as file:
        for piece in pieces:
            file.write(piece)
            assert (path.read_bytes() if path.exists() else None) == old
    assert path.read_bytes() == b"".join(pieces)
    assert names(path.parent) == ["file.bin"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, Stop, OSError(28, "No space left on device"), BrokenPipeError])
@pytest.mark.parametrize("old", [None, b"mine"])
def test_nothing_is_left_of_a_file_that_was_not_finished(
    tmp_path: Path, error: type[BaseException] | OSError, old: bytes | None
) -> None:
    path = tmp_path / "file.bin"
    if old:
        path.write_bytes(old)
    with pytest.raises((KeyboardInterrupt, Stop, InputError, BrokenPipeError)) as told, new_file(path) as file:
        stop(file, error)
    assert names(tmp_path) == (["file.bin"] if old else [])
    assert not old or path.read_bytes() == old
    if isinstance(error, OSError):
        assert str(told.value) == (
            f"'{path}' cannot be written (no space left on device): name a file in a folder that exists, is writable "
            "and has room"
        )


def test_a_write_that_the_system_refuses_is_told_in_one_sentence(tmp_path: Path) -> None:
    """A real one: the system lets this process write 64 kB to a file."""
    code = f"""
import resource
from advisor.files import new_file
resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
try:
    with new_file({str(tmp_path / "file.bin")!r}, "--output x") as file:
        for _ in range(100):
            file.write(bytes(4096))
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("--output x cannot be written (file too large): ")
    assert done.stdout.count("\n") == 1
    assert names(tmp_path) == []


def test_killed_while_it_writes_the_old_or_the_new_file_is_there_whole(tmp_path: Path) -> None:
    """A process that saves two contents in turns is killed at ten moments: the file is always one of the two."""
    target = tmp_path / "box.json"
    contents = (b"a" * 400_000, b"b" * 400_000)
    write_whole(target, contents[0])
    code = f"""
import sys
from pathlib import Path
from advisor.files import write_whole
print("started", flush=True)
while True:
    for letter in (b"a", b"b"):
        write_whole(Path({str(target)!r}), letter * 400_000)
"""
    for moment in range(10):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(0.003 * moment)
            process.send_signal(signal.SIGKILL)
        assert target.read_bytes() in contents
    remove_drafts(target)
    assert names(tmp_path) == ["box.json"]


def test_drafts_of_other_files_stay(tmp_path: Path) -> None:
    for name in (".a[1].bin.7.partial", ".a1.bin.7.partial", ".a[1].bin", ".b.bin.7.partial"):
        (tmp_path / name).touch()
    remove_drafts(tmp_path / "a[1].bin")
    assert names(tmp_path) == [".a1.bin.7.partial", ".a[1].bin", ".b.bin.7.partial"]


def test_a_pipe_is_written_straight(received: tuple[Path, list[bytes]]) -> None:
    pipe, found = received
    write_whole(pipe, b"through")
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert names(pipe.parent) == ["pipe"]
    while not found:
        time.sleep(0.01)
    assert found == [b"through"]


def test_a_pipe_behind_a_link_is_written_straight(received: tuple[Path, list[bytes]]) -> None:
    pipe, found = received
    link = pipe.parent / "link"
    link.symlink_to("pipe")
    with new_file(link) as file:
        file.write(b"through")
    assert link.is_symlink()
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    while not found:
        time.sleep(0.01)
    assert found == [b"through"]


def test_a_device_stays_a_device(tmp_path: Path) -> None:
    """A terminal of this test's own, by its name and through a link."""
    ours, theirs = os.openpty()
    terminal, link = Path(os.ttyname(theirs)), tmp_path / "link"
    link.symlink_to(terminal)
    for path in (terminal, link):
        assert written_straight(path)
        with new_file(path) as file:
            file.write(b"through")
        assert os.read(ours, 100) == b"through"
        assert stat.S_ISCHR(terminal.stat().st_mode)
    assert link.is_symlink()
    os.close(ours)
    os.close(theirs)


def test_what_a_process_has_open_is_written_behind_what_is_there(tmp_path: Path) -> None:
    """As /dev/stdout where the shell sends it to a file, which may have no name any more."""
    path = tmp_path / "open.txt"
    with path.open("wb", buffering=0) as file:
        file.write(b"said before, ")
        for name in (f"/dev/fd/{file.fileno()}", f"/proc/self/fd/{file.fileno()}"):
            assert written_straight(Path(name))
            with new_file(name) as straight:
                straight.write(b"through, ")
        number, before = path.stat().st_ino, path.read_bytes()
        path.unlink()
        with new_file(f"/dev/fd/{file.fileno()}") as straight:
            straight.write(b"nameless")
        assert os.fstat(file.fileno()).st_ino == number
        assert os.fstat(file.fileno()).st_size == len(before) + len(b"nameless")
    assert before == b"said before, through, through, "
    assert names(tmp_path) == []


@pytest.mark.parametrize("old", [None, b"mine"])
def test_a_link_stays_and_its_file_is_replaced_whole(tmp_path: Path, old: bytes | None) -> None:
    target, link = tmp_path / "there" / "file.bin", tmp_path / "link.bin"
    target.parent.mkdir()
    link.symlink_to("there/file.bin")
    if old:
        target.write_bytes(old)
    with pytest.raises(Stop), new_file(link) as file:
        stop(file, Stop)
    assert (target.read_bytes() if target.exists() else None) == old
    with new_file(link) as file:
        file.write(b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"
    assert not target.is_symlink()
    assert names(tmp_path) == ["link.bin", "there"]
    assert names(target.parent) == ["file.bin"]


def test_links_in_a_circle_are_told_and_stay(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.symlink_to(other)
    other.symlink_to(one)
    with pytest.raises(InputError, match=r"one' cannot be written \(too many levels of"), new_file(one):
        pass
    assert one.is_symlink()
    assert names(tmp_path) == ["one", "other"]


def test_a_folder_and_a_missing_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^--plot 'x' is a folder: name a file$"), new_file(tmp_path, "--plot 'x'"):
        pass
    missing = tmp_path / "none" / "file.bin"
    with pytest.raises(InputError, match=r"file\.bin' cannot be written \(no such file or"), new_file(missing):
        pass
    assert names(tmp_path) == []
    with new_file(missing, make_folder=True) as file:
        file.write(b"new")
    assert missing.read_bytes() == b"new"


def test_rights_are_those_of_the_old_file_else_of_any_new_one(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain", tmp_path / "file.bin"
    plain.touch()
    with new_file(path):
        pass
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o640)
    with new_file(path):
        pass
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    write_whole(path, b"one's own")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
