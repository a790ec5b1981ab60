"""Every command that writes a file: a signal leaves nothing half-written, and what is no file stays what it is."""

import os
import shlex
import signal
import stat
import threading
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import pytest

from advisor.cli.app import COMMANDS, Tree, run
from advisor.cli.ending import asked_to_end
from advisor.profiles.store import ProfileStore
from catalog.profiles import Profile
from tests.advisor.cli.calibrated import SEEN, on
from tests.own_profiles import own_profile

SMALL = "engine synth --model SmolLM2-135M --quant Q8_0 --layers 1 --vocab 64 --force"
WRITERS = {
    ("predict", "--output"): (".jsonl", "predict --batch questions.jsonl --output {}"),
    ("calibrate export", "--output"): (".json", "calibrate export box --output {}"),
    ("calibrate show", "--html"): (".html", "calibrate show box --json --html {}"),
    ("calibrate show", "--plot"): (".png", "calibrate show box --json --plot {}"),
    ("prices export", "--output"): (".csv", "prices export --shipped --output {}"),
    ("prices show", "--html"): (".html", "prices show 'RTX 3090' --json --html {}"),
    ("prices show", "--plot"): (".png", "prices show 'RTX 3090' --json --plot {}"),
    ("engine synth", "--output"): (".gguf", SMALL + " --output {}"),
}
"""By command and option: how its file's name ends, and the line."""
ALIKE = {
    ("calibrate", "--html"): "writes the page of `calibrate show` after it has measured",
    ("calibrate", "--plot"): "draws the charts of `calibrate show` after it has measured",
    ("accuracy", "--plot"): "takes half a minute, and draws as `prices show` does",
    ("sweep", "--output"): "takes a folder",
}
QUESTION = '{"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3090"}]}}\n'
SPEC = 'models = ["gpt-oss-20b"]\nquants = ["MXFP4"]\n[hardware]\ngpus = ["RTX 3090"]\ncpus = ["Ryzen 7 5800X"]\n'


@pytest.fixture(scope="module")
def profile() -> Profile:
    return own_profile()


@pytest.fixture
def here(tmp_path: Path, advisor_home: Path, profile: Profile, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what the lines read, on a machine with a profile."""
    ProfileStore(advisor_home).save(profile)
    on(monkeypatch, SEEN)
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "questions.jsonl").write_text(QUESTION)
    (folder / "profile.json").write_text(profile.model_dump_json())
    (folder / "sweep.toml").write_text(SPEC)
    monkeypatch.chdir(folder)
    return folder


def words(line: str, target: object) -> list[str]:
    return [word.format(target) for word in shlex.split(line)]


def options_that_write(command: click.Command, named: str = "") -> Iterator[tuple[str, str]]:
    for option in command.params:
        yield from ((named, name) for name in option.opts if name in {"--output", "--html", "--plot"})
    if isinstance(command, Tree):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from options_that_write(command.get_command(context, name), f"{named} {name}".strip())


def test_every_option_that_writes_a_file_is_tried() -> None:
    assert set(options_that_write(Tree("advisor", COMMANDS))) == WRITERS.keys() | ALIKE.keys()


# Signals.

SIGNALLED = {" ".join(key): (f"there{ending}", line) for key, (ending, line) in WRITERS.items()} | {
    "sweep --output": ("rows", "sweep sweep.toml --processes 1 --output {}"),
    "calibrate import": ("", "calibrate import profile.json --force"),
    "calibrate add": ("", "calibrate add --model Qwen3-8B --quant Q4_K_M --decode 48 --gpu 'RTX 3090'"),
}
"""By writer: what lies there before, and the line."""


@contextmanager
def terminated(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """SIGTERM comes as soon as a draft would get its name; tells of which drafts."""
    drafts: list[str] = []

    def signalled(draft: Path, _: Path) -> None:
        assert draft.is_file()
        drafts.append(draft.name)
        signal.raise_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, asked_to_end)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", signalled)
        yield drafts
    signal.signal(signal.SIGTERM, before)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("writer", SIGNALLED)
def test_a_signal_leaves_nothing_half_written(
    writer: str, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there before is there still. tests/advisor/cli/test_streams.py sends one to a process that writes."""
    name, line = SIGNALLED[writer]
    if "." in name:
        (here / name).write_bytes(b"mine")
    before = contents(tmp_path)
    with terminated(monkeypatch) as drafts, pytest.raises(SystemExit) as ended:
        run(words(line, here / name))
    assert ended.value.code == 128 + signal.SIGTERM
    assert len(drafts) == 1
    assert contents(tmp_path) == before


# What is no file.

class Place:
    """Somewhere to write to: its name, what it must still be afterwards, and what came out."""

    def __init__(self, name: Path, stays: Callable[[], bool]) -> None:
        self.name, self.stays = name, stays
        self.got = b""


def kind_of(path: Path) -> int:
    return stat.S_IFMT(path.lstat().st_mode)


@contextmanager
def a_pipe(folder: Path, ending: str) -> Iterator[Place]:
    path = folder / f"pipe{ending}"
    os.mkfifo(path)
    place = Place(path, lambda: kind_of(path) == stat.S_IFIFO)
    reader = threading.Thread(target=lambda: setattr(place, "got", path.read_bytes()))
    reader.start()
    yield place
    reader.join(60)
    assert not reader.is_alive()


@contextmanager
def a_device(_: Path, __: str) -> Iterator[Place]:
    """A terminal of this test's own: as any device it must not be replaced by a file."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    path = Path(os.ttyname(theirs))
    place = Place(path, lambda: kind_of(path) == stat.S_IFCHR)
    end = b"the end of what was written"

    def read() -> None:
        while not place.got.endswith(end):
            place.got += os.read(ours, 1 << 16)

    reader = threading.Thread(target=read)
    reader.start()
    yield place
    os.write(theirs, end)
    reader.join(60)
    assert not reader.is_alive()
    place.got = place.got.removesuffix(end)
    os.close(ours)
    os.close(theirs)


@contextmanager
def a_link_to(place: Callable[..., Any], folder: Path, ending: str) -> Iterator[Place]:
    with place(folder, ending) as found:
        link = folder / f"link{ending}"
        link.symlink_to(found.name)
        through = Place(link, lambda: link.is_symlink() and found.stays())
        yield through
    through.got = found.got


@contextmanager
def a_file(folder: Path, ending: str) -> Iterator[Place]:
    path = folder / f"elsewhere{ending}"
    path.write_bytes(b"mine")
    place = Place(path, lambda: kind_of(path) == stat.S_IFREG)
    yield place
    place.got = path.read_bytes()


@contextmanager
def what_is_open(folder: Path, _: str) -> Iterator[Place]:
    """As /dev/stdout is, where the shell sends it to a file."""
    with (folder / "open").open("w+b") as file:
        number = file.fileno()
        place = Place(Path(f"/dev/fd/{number}"), lambda: os.path.samestat(os.fstat(number), (folder / "open").stat()))
        yield place
        place.got = (folder / "open").read_bytes()


PLACES: dict[str, Callable[..., Any]] = {
    "a pipe": a_pipe, "a link to a pipe": partial(a_link_to, a_pipe), "a device": a_device,
    "a link to a device": partial(a_link_to, a_device), "a link to a file": partial(a_link_to, a_file),
    "what is open": what_is_open,
}
TRIED = [
    (writer, where) for writer, (ending, _) in WRITERS.items() for where in PLACES
    if ending != ".png" or where == "a link to a device"
]
"""What is drawn takes a second, and its name must tell how."""


@pytest.mark.parametrize(("writer", "where"), TRIED, ids=lambda item: item if isinstance(item, str) else " ".join(item))
def test_what_is_no_file_stays_what_it_is_and_gets_all(writer: tuple[str, str], where: str, here: Path) -> None:
    ending, line = WRITERS[writer]
    plain = here / f"plain{ending}"
    assert run(words(line, plain)) == 0
    with PLACES[where](here, ending) as place:
        assert run(words(line, place.name)) == 0
        assert place.stays()
    assert place.got == plain.read_bytes()
    assert not [path for path in here.iterdir() if "partial" in path.name]


def test_a_sweep_goes_into_a_folder_by_a_link_and_into_nothing_else(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "folder").mkdir()
    (here / "link").symlink_to("folder")
    assert run(["sweep", "sweep.toml", "--processes", "1", "--output", "link"]) == 0
    assert (here / "link").is_symlink()
    assert sorted(path.name for path in (here / "folder").iterdir()) == ["manifest.json", "part-000000.parquet"]
    with a_device(here, "") as device:
        assert run(["sweep", "sweep.toml", "--processes", "1", "--output", str(device.name)]) == 2
        assert device.stays()
    assert "is a file: name a folder" in capsys.readouterr().err


def test_a_stored_profile_that_is_a_link_stays_one(here: Path, advisor_home: Path) -> None:
    stored = advisor_home / "calibrations" / "box.json"
    elsewhere = stored.rename(here / "elsewhere.json")
    stored.symlink_to(elsewhere)
    profile = here / "profile.json"
    profile.write_text(profile.read_text().replace("load average 3", "load average 4"))
    assert run(["calibrate", "import", "profile.json", "--force"]) == 0
    assert stored.is_symlink()
    assert "load average 4" in elsewhere.read_text()
