"""What a base install lacks: every package that the product imports is of the base or of an extra that is told."""

import ast
import json
import re
import shlex
import sys
import tomllib
from importlib.metadata import Distribution, packages_distributions
from pathlib import Path
from typing import Any

import pytest

from advisor import extras
from advisor.extras import MODULES, ExtraMissing, extra_of, install_command, require

ROOT = Path(__file__).parents[2]
ROOMS = ("advisor", "catalog", "calibration", "webapp")
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
BROUGHT_BY_OTHERS = {
    "starlette": "fastapi", "pydantic_core": "pydantic", "typing_extensions": "pydantic", "mcp_types": "mcp",
}
"""Modules that a package of ours brings and offers as its own."""


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[\[<>=;~! ]", text, maxsplit=1)[0].lower().replace("_", "-") for text in requirements}


def imported() -> set[str]:
    """Top modules that the product imports and that neither Python, nor a type checker alone, nor it brings."""
    found = set()
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"_typeshed"} - set(ROOMS)


def test_every_import_is_of_the_base_or_of_an_extra() -> None:
    base, known = names(PROJECT["dependencies"]), packages_distributions()
    every = base.union(*(names(PROJECT["optional-dependencies"][extra]) for extra in MODULES))
    for module in imported():
        packages = names(known.get(BROUGHT_BY_OTHERS.get(module, module), []))
        assert packages & every, f"{module} is brought by nothing that pyproject.toml names"


@pytest.mark.parametrize("extra", MODULES)
def test_an_extra_brings_the_modules_that_its_commands_need(extra: str) -> None:
    known, brought = packages_distributions(), names(PROJECT["optional-dependencies"][extra])
    own = re.compile(r"llm-hardware-advisor\[(\w+)\]")
    for other in own.findall(" ".join(PROJECT["optional-dependencies"][extra])):
        brought |= names(PROJECT["optional-dependencies"][other])
    for module in MODULES[extra]:
        assert names(known[module]) & brought
        assert extra_of(module)


def test_a_module_of_the_base_is_of_no_extra() -> None:
    assert [extra_of(name) for name in ("numpy", "psutil", "rich", "nowhere")] == [None] * 4


def test_all_that_is_missing_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    require("nothing", "engine", "calibrate")
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    with pytest.raises(ExtraMissing, match=r"calibrate needs the extras .engine. and .calibrate.: .*engine,calib"):
        require("calibrate", "engine", "calibrate")


@pytest.mark.parametrize(
    ("installed", "words"),
    [
        (None, "-m pip install 'llm-hardware-advisor[plots]'"),
        ({"url": "file://{here}", "dir_info": {"editable": True}},
         "-m pip install -c {here}/constraints.txt -e '{here}[plots]'"),
        ({"url": "file://{here}", "dir_info": {}}, "-m pip install -c {here}/constraints.txt '{here}[plots]'"),
        ({"url": "file://{here}/a.whl", "archive_info": {}},
         "-m pip install 'llm-hardware-advisor[plots] @ file://{here}/a.whl'"),
        ({"url": "file://{here}/gone.whl", "archive_info": {}}, "-m pip install 'llm-hardware-advisor[plots]'"),
        ({"url": "https://example.org/a.git", "vcs_info": {"vcs": "git", "commit_id": "12ab"}},
         "-m pip install 'llm-hardware-advisor[plots] @ git+https://example.org/a.git@12ab'"),
    ],
    ids=["an index", "a clone", "a folder", "a wheel", "a wheel that is gone", "a repository"],
)
def test_the_command_installs_from_where_the_program_came(
    installed: dict[str, Any] | None, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("constraints.txt", "a.whl"):
        (tmp_path / name).touch()

    if installed:
        (tmp_path / "direct_url.json").write_text(json.dumps(installed).replace("{here}", str(tmp_path)))
    monkeypatch.setattr("importlib.metadata.distributions", lambda name: [Distribution.at(tmp_path)])
    assert install_command("plots") == f"{sys.executable} {words.replace('{here}', str(tmp_path))}"


def test_the_engine_of_a_clone_is_built_by_its_own_script() -> None:
    """By pip alone llama.cpp may be built such that a processor with AMX ends it."""
    build, _, install = install_command("engine").partition(" && ")
    script, python = shlex.split(build)
    assert Path(script).parts[-2:] == ("scripts", "install-engine")
    assert Path(script).is_file()
    assert python == sys.executable
    assert install == f"{python} -m pip install -c {Path(script).parents[1]}/constraints.txt -e " + shlex.quote(
        f"{Path(script).parents[1]}[engine]"
    )


def test_an_environment_without_pip_is_installed_into_by_uv(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda module: None)
    monkeypatch.setattr(extras, "which", lambda program: f"/bin/{program}")
    assert install_command("plots").startswith(f"/bin/uv pip install --python {sys.executable} ")


def test_commands_for_windows_are_powershell(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extras, "WINDOWS", True)
    assert extras.quoted("llm-hardware-advisor[plots]") == "'llm-hardware-advisor[plots]'"
    python = r"C:\Program Files\Python\python.exe"
    assert extras.installer(python) == rf"& '{python}' -m pip install"
