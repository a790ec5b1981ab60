"""Every command that a page of docs/ shows does what stands there, or, where it would take minutes, listen, ask a shop
or measure this machine, is at least one that the command line takes.
"""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest

from advisor.cli.app import COMMANDS, Tree, run

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"<!-- python: run -->\n```python\n(.*?)```", re.DOTALL)
NOT_RUN = re.compile(
    r"""advisor\ (?:serve|app|mcp|run|engine\ (?:serve-device|bench|synth|experts|devices\ --rpc)
    |prices\ (?:import\ keepa|update)|calibrate$|calibrate\ add\ (?:-$|server\.log))""",
    re.VERBOSE,
)
"""They listen, take minutes, write gigabytes, ask shops or read what other programs wrote."""
CHANGES = re.compile(r"advisor (?:calibrate|prices (?:set|import|export))")
"""What these say depends on what the page did before."""
QUESTION = '{"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3060 12GB"}]}}\n'
SHOPPING = "part,price,condition\nRTX 3060 12GB,250,new\nRyzen 7 5800X,180,new\n"
BEFORE = {
    "calibrate.md": "calibrate add --model Qwen3-8B --quant Q4_K_M --cpu 'Ryzen 7 5800X' --decode 8 --name "
    "old-box"
}
"""What a reader of the page has done already."""


def commands_of(page: Path) -> list[str]:
    """Lines of a page's shell blocks that run this program, without the remarks behind them."""
    blocks = "".join(SHELL.findall(page.read_text("utf-8"))).replace("\\\n", " ")
    lines = [re.sub(r"\s{2,}#.*|\s#\s.*", "", line).strip() for line in blocks.splitlines()]
    return [line for line in lines if "advisor " in line and not line.startswith(("#", "scripts/", "CMAKE_ARGS", "."))]


SHOWN = {command: page.name for page in PAGES for command in commands_of(page)}
"""Each is run once, for the last page that shows it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, gemma_path: Path) -> Path:
    """What the pages take to be there."""
    made = tmp_path_factory.mktemp("reader")
    for name in ("model.gguf", "Qwen3-8B-Q4_K_M.gguf"):
        (made / name).hardlink_to(gemma_path)
    (made / "questions.jsonl").write_text(QUESTION)
    (made / "shopping-list.csv").write_text(SHOPPING)
    return made


@pytest.mark.parametrize("page", [path.name for path in PAGES if path.name not in ("figures.md", "how.md", "index.md")])
def test_the_commands_of_a_page_do_what_stands_there(
    page: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "110")
    if before := BEFORE.get(page):
        assert run(shlex.split(before)) == 0, capsys.readouterr().err
    commands = [line for line in commands_of(ROOT / "docs" / page) if not NOT_RUN.search(line)]
    for shown in (line for line in commands if SHOWN[line] == page or CHANGES.match(line)):
        words = shlex.split(shown)
        assert words[0] == "advisor", f"a command of another program: {shown}"
        capsys.readouterr()
        code = run(words[1:])
        out, err = capsys.readouterr()
        assert code == 0, f"{shown}: {err}"
        assert out or "--output" in words or CHANGES.match(shown), shown
        assert "Traceback" not in err


@pytest.mark.parametrize("shown", [line for line in SHOWN if NOT_RUN.search(line)])
def test_a_command_that_is_not_run_is_one_that_the_command_line_takes(shown: str) -> None:
    _, _, behind = shown.partition("advisor ")
    words: list[str] = shlex.split(behind)
    command: click.Command = Tree("advisor", COMMANDS)
    context = click.Context(command)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        found = command.get_command(context, name)
        assert found is not None
        command, context = found, click.Context(found, context, name)
    command.make_context(command.name, words, parent=context.parent)


def python_examples() -> list[Any]:
    return [pytest.param(code, id=page.name) for page in PAGES for code in PYTHON.findall(page.read_text("utf-8"))]


@pytest.mark.parametrize("code", python_examples())
def test_an_example_in_python_runs(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_pages_show_commands_for_buyers_owners_and_programs() -> None:
    told = {page.name: len(commands_of(page)) for page in PAGES}
    assert all(told[name] >= 5 for name in ("buyer.md", "owner.md", "program.md", "faq.md", "prices.md"))
    questions = re.findall(r"^\*\*.+\?\*\*", (ROOT / "docs" / "faq.md").read_text("utf-8"), re.MULTILINE)
    assert len(questions) >= 25


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_offers_commands_and_options(shell: str) -> None:
    asked = {"COMP_WORDS": "advisor re", "COMP_CWORD": "re" if shell == "fish" else "1"}
    done = subprocess.run(
        [sys.executable, "-c", "from advisor.cli.app import main; main()"], capture_output=True, text=True, check=False,
        env=os.environ | asked | {"_ADVISOR_COMPLETE": f"{shell}_complete"},
    )
    assert "recommend" in done.stdout


def test_every_pinned_package_is_listed_with_its_licence() -> None:
    script = [sys.executable, str(ROOT / "scripts" / "licences")]
    listed = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    assert "not told" not in listed
    assert "not installed here" not in listed
    assert (ROOT / "docs" / "licences.md").read_text("utf-8") == listed
