"""The house checks itself: layers, names, ceilings, docstrings, tables and the commands that the README shows.

That every stage of a token is worded, limited and coloured is held by tests/advisor/test_answer.py, that no function is
more complex than 10 by the linter.
"""

import ast
import csv
import os
import re
import shlex
import subprocess
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import click
import pytest
from importlinter.cli import lint_imports

from advisor.cli.app import COMMANDS

ROOT = Path(__file__).parents[1]
ROOMS = ("advisor", "catalog", "calibration", "webapp")
FILE_LINES = 500
BODY_LINES = 60
COMPLEXITY = 10
FOLDER_FILES = 20
MODULE_LINES = 40
"""A shorter module is a part of its only caller; not if two import it, nor if it is a command or starts a program."""
CALLED_ONCE_LINES, CALLED_ONCE_SHARE = 6, 0.15
"""Of a package's functions at most this part may be private, called once and shorter than this many lines."""
VAGUE_NAMES = {"utils", "util", "helpers", "helper", "core", "common", "manager", "managers", "base", "misc"}
REGISTRY_HOSTS = tuple(
    ".".join(words)
    for words in (
        ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("deb", "debian", "org"),
        ("proxy", "golang", "org"), ("crates", "io"), ("anaconda", "org"),
    )
)
MACHINE_PATH = re.compile(r"""(?<![\w.:/~$}*-])/(?:home|root|Users|work|opt)/\w""")
COUNT_OF_ROWS = re.compile(
    r"""\b\d[\d,]+\ (?:rows|quotes|dated\ prices|graphics\ cards|processors|boards|memory\ kits|disks|coolers|laptops
    |(?:language|open)?\ ?models|quantisations|measured\ runs|unified-memory\ machines)\b""",
    re.VERBOSE,
)
SHOWN_COMMAND = re.compile(r"<!-- command: (?P<name>[\w ]+) -->\n```sh\n(?P<command>.+)\n```")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def listed() -> tuple[Path, ...]:
    """Names of the working tree, tracked or not, but for those that git ignores."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return tuple(ROOT / name for name in sorted(set(names.split("\0"))) if name)


@cache
def present() -> tuple[Path, ...]:
    """The files among them that are there."""
    return tuple(path for path in listed() if path.is_file())


@cache
def modules() -> tuple[Path, ...]:
    return tuple(path for path in present() if path.suffix == ".py")


@cache
def shipped() -> tuple[Path, ...]:
    return tuple(path for path in modules() if path.relative_to(ROOT).parts[0] in ROOMS)


@cache
def source(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def functions(path: Path) -> Iterator[Function]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, Function))


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(source(path))


def place(path: Path, node: ast.stmt | ast.expr | None = None) -> str:
    return f"{path.relative_to(ROOT)}:{node.lineno}" if node else str(path.relative_to(ROOT))


def body_lines(function: Function, lines: list[str]) -> int:
    """Lines of code in a body: neither its docstring nor blank lines nor remarks."""
    first = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    if not first:
        return 0
    body = lines[first[0].lineno - 1 : function.end_lineno]
    return sum(1 for line in body if line.strip() and not line.strip().startswith("#"))


def public_definitions(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body)


def imported(path: Path) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node, node.module


def readme_commands() -> dict[str, str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return {found["name"]: found["command"] for found in SHOWN_COMMAND.finditer(text)}


def test_each_room_imports_only_what_stands_to_its_right() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == 0


def test_scipy_is_imported_in_calibration_alone() -> None:
    elsewhere = (path for path in shipped() if path.relative_to(ROOT).parts[0] != "calibration")
    found = [place(path, node) for path in elsewhere for node, name in imported(path) if name.split(".")[0] == "scipy"]
    assert found == []


def test_no_module_and_no_folder_has_a_name_that_says_nothing() -> None:
    parts = {part.removesuffix(".py") for path in modules() for part in path.relative_to(ROOT).parts}
    assert parts & VAGUE_NAMES == set()


def test_no_class_name_stands_twice_in_the_product() -> None:
    """Only the API's client names what the server answers as the server does: it is the same thing, on two sides."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path in shipped():
        if path == ROOT / "advisor" / "client.py":
            continue
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.ClassDef):
                found[node.name].append(place(path, node))
    assert {name: places for name, places in found.items() if len(places) > 1} == {}


def test_no_module_name_stands_twice_in_a_folder() -> None:
    """A module and a folder of one name, or names that differ by case or an ending alone: "report" and "reports"."""
    names = {path.with_suffix("") for path in shipped()} | {path.parent for path in shipped()}
    told = Counter((path.parent, path.name.lower().removesuffix("s")) for path in names)
    assert {f"{folder.relative_to(ROOT)}: {name}" for (folder, name), times in told.items() if times > 1} == set()


def test_no_file_is_longer_than_the_ceiling() -> None:
    lengths = {place(path): len(source(path).splitlines()) for path in modules()}
    assert {name: length for name, length in lengths.items() if length > FILE_LINES} == {}


def test_no_function_body_is_longer_than_the_ceiling() -> None:
    found: dict[str, int] = {}
    for path in modules():
        lines = source(path).splitlines()
        found |= {place(path, node): n for node in functions(path) if (n := body_lines(node, lines)) > BODY_LINES}
    assert found == {}


def test_the_linter_holds_the_complexity() -> None:
    lint = tomllib.loads(source(ROOT / "pyproject.toml"))["tool"]["ruff"]["lint"]
    assert lint["mccabe"]["max-complexity"] <= COMPLEXITY
    assert {"C90", "C901"} & set(lint["select"])
    assert not [rule for rules in lint["per-file-ignores"].values() for rule in rules if rule.startswith("C90")]
    assert [place(path) for path in modules() if re.search(r"noqa: " + "C9", source(path))] == []


def test_no_folder_holds_more_files_than_a_reader_can_look_over() -> None:
    """The command line excepted: there a file is a command."""
    told = Counter(path.parent.relative_to(ROOT) for path in shipped())
    assert {str(folder): n for folder, n in told.items() if n > FOLDER_FILES and folder.name != "cli"} == {}


def test_no_module_is_so_short_that_it_belongs_to_its_only_caller() -> None:
    importers: defaultdict[str, set[Path]] = defaultdict(set)
    for path in shipped():
        for name in named_modules(path):
            importers[name].add(path)
    found = {}
    for path in shipped():
        parts = path.relative_to(ROOT).with_suffix("").parts
        starts = parts[-1] in ("__init__", "__main__", "env") or "cli" in parts or "versions" in parts
        lines = len(source(path).splitlines())
        if lines < MODULE_LINES and not starts and len(importers[".".join(parts)]) < 2:
            found[place(path)] = lines
    assert found == {}


def named_modules(path: Path) -> Iterator[str]:
    """Modules that a file imports, by either spelling: "from a import b" may mean a.b."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_few_functions_are_private_short_and_called_once() -> None:
    """Such a function reads better as a line of its caller. Decorated ones (caches, properties) are not counted."""
    told: Counter[Path] = Counter()
    once: defaultdict[Path, list[str]] = defaultdict(list)
    for path in shipped():
        lines = source(path).splitlines()
        for node in functions(path):
            told[path.parent] += 1
            private = node.name.startswith("_") and not node.name.startswith("__") and not node.decorator_list
            uses = len(re.findall(rf"(?<!\w){re.escape(node.name)}\b", source(path))) - 1
            if private and uses == 1 and body_lines(node, lines) < CALLED_ONCE_LINES:
                once[path.parent].append(f"{place(path, node)} {node.name}")
    over = {place(folder): found for folder, found in once.items() if len(found) > CALLED_ONCE_SHARE * told[folder]}
    assert over == {}


def test_every_public_definition_says_what_it_is() -> None:
    found = [place(path) for path in shipped() if ast.get_docstring(tree(path)) is None]
    for path in shipped():
        definitions = public_definitions(tree(path).body)
        found += [f"{place(path, node)} {node.name}" for node in definitions if not ast.get_docstring(node)]
    assert found == []


def test_only_the_faces_print() -> None:
    silent = (path for path in shipped() if path.name != "__main__.py" and "cli" not in path.relative_to(ROOT).parts)
    found = [
        place(path, node)
        for path in silent
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert found == []


def test_no_file_is_a_link() -> None:
    """A link in a checkout leads to where it led on the machine of whoever made it."""
    assert [str(path) for path in listed() if path.is_symlink()] == []


def test_no_file_names_a_package_registry_or_a_path_of_one_machine() -> None:
    found = []
    for path in present():
        quoted = "evidence" in path.parts  # runs as their reporters wrote them, with the names of their files
        for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), 1):
            if (MACHINE_PATH.search(line) and not quoted) or any(host in line for host in REGISTRY_HOSTS):
                found.append(f"{place(path)}:{number}: {line[:120]}")
    assert found == []


def tables() -> list[Path]:
    return sorted((ROOT / "catalog" / "data").glob("*.csv"))


@pytest.mark.parametrize("table", tables(), ids=lambda path: path.name)
def test_every_table_is_described_and_every_row_can_be_traced(table: Path) -> None:
    described = (ROOT / "catalog" / "data" / "README.md").read_text(encoding="utf-8")
    assert table.name in described
    with table.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(line for line in file if not line.startswith("#"))
        untraced = [dict(row) for row in rows if not (row.get("source") and row.get("as_of"))]
    assert untraced == []


def test_no_page_counts_rows_of_a_table() -> None:
    """Such a number is wrong after the next row; ACCURACY.md has computed ones, docs/figures.md dated ones."""
    pages = (path for path in present() if path.suffix == ".md" and path.name not in ("ACCURACY.md", "figures.md"))
    found = {place(path): COUNT_OF_ROWS.findall(path.read_text("utf-8")) for path in pages}
    assert {page: counts for page, counts in found.items() if counts} == {}


def test_links_of_the_pages_lead_somewhere() -> None:
    """Of all pages but those of docs/ among themselves, whose builder looks for anchors too."""
    found = []
    for path in (path for path in present() if path.suffix == ".md"):
        links = re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text("utf-8"))
        found += [f"{place(path)}: {link}" for link in links if not (path.parent / link).exists()]
    assert found == []


def test_the_readme_shows_the_command_of_the_main_job_and_that_of_the_tests() -> None:
    assert set(readme_commands()) == {"main job", "tests"}


@pytest.mark.parametrize("name", ["main job", "tests"])
def test_what_the_readme_commands_install_is_there(name: str) -> None:
    words = shlex.split(readme_commands()[name])
    assert (ROOT / words[words.index("-c") + 1]).is_file()
    assert words[words.index("-e") + 1] in {".", ".[dev]"}


def test_the_readme_command_of_the_tests_ends_in_a_script_that_can_run() -> None:
    script = ROOT / readme_commands()["tests"].split(" && ")[-1]
    assert os.access(script, os.X_OK)


def test_the_readme_command_of_the_main_job_is_one_that_the_command_line_takes() -> None:
    program, name, *arguments = shlex.split(readme_commands()["main job"].split(" && ")[-1])
    command: click.Command = import_module(COMMANDS[name].module).command
    assert program == ".venv/bin/advisor"
    said = command.make_context(name, arguments).params
    assert (said["model"], said["budget"]) == (None, "1500")  # it answers without a model being named
