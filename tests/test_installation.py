"""What is published: a wheel and an sdist that anyone can install, and what the base install does and says.

`tests/benchmarks/installation.py` does the same with every Python that is there, and tells times and sizes.
"""

import ast
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from advisor.gguf.synthetic import Cut, Recipe, write_model
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from tests.wheels import ROOT, Installed, built, clean, done, installed

MOST_BYTES = 140_000_000
TOOLS = {"pip", "setuptools"}
"""What a fresh environment has of its own."""
BASE_USE = ("recommend", "predict", "models", "quants", "detect", "prices", "accuracy", "evidence")


@pytest.fixture(scope="module")
def dists(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return built(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def base(dists: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Installed:
    return installed(dists[1], tmp_path_factory.mktemp("base"))


def test_what_is_published_passes_the_check(dists: tuple[Path, Path]) -> None:
    said = done(sys.executable, "-m", "twine", "check", "--strict", *dists, cwd=dists[0].parent)
    assert said.count("PASSED") == 2


def test_the_wheel_has_the_product_whole_and_nothing_else(dists: tuple[Path, Path]) -> None:
    rooms = ("advisor", "catalog", "calibration", "webapp")
    listed = subprocess.run(["git", "ls-files", *rooms], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    with zipfile.ZipFile(dists[1]) as wheel:
        names = set(wheel.namelist())
    assert {name for name in listed.split() if (ROOT / name).is_file() and not name.endswith("README.md")} <= names
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == set(rooms)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    with tarfile.open(dists[0]) as sdist:
        assert any(name.endswith("/LICENSE") for name in sdist.getnames())


def test_the_base_recommends_without_anything_else(base: Installed) -> None:
    result = base.advisor("recommend", "--model", "gpt-oss-20b", "--budget", "1500", "--limit", "2")
    assert (result.returncode, result.stderr) == (0, "")
    assert "RTX" in result.stdout


def test_the_base_is_small(base: Installed) -> None:
    sizes = {name: size for name, size in base.bytes().items() if name.lower() not in TOOLS}
    assert sum(sizes.values()) < MOST_BYTES, sorted(sizes.items(), key=lambda item: -item[1])[:5]


def test_the_import_of_the_package_brings_nothing_but_itself(base: Installed) -> None:
    """That is what keeps it within 0.06 s of an empty Python; tests/benchmarks/installation.py measures it."""
    code = "import sys; before = set(sys.modules); import advisor; print(*sorted(set(sys.modules) - before))"
    assert done(base.python, "-I", "-c", code, cwd=base.folder).split() == ["advisor"]
    assert done(base.python, "-I", "-c", "from advisor import predict, Wish; print(Wish.__name__)", cwd=base.folder)


def readme_commands() -> list[str]:
    """What the README shows under "Use" for a base install, whole lines."""
    text = (ROOT / "README.md").read_text("utf-8")
    use = text[text.index("## Use") : text.index("## Read on")]
    lines = [line for block in use.split("```sh\n")[1:] for line in block.split("```")[0].splitlines()]
    commands = [line.split("  #")[0].strip() for line in lines]
    return [line for line in commands if line.split()[:1] == ["advisor"] and line.split()[1] in BASE_USE]


def test_each_base_command_of_the_readme_works_in_a_base_install(base: Installed) -> None:
    question = {"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3090"}]}}
    (base.folder / "questions.jsonl").write_text(json.dumps(question) + "\n")
    commands = readme_commands()
    assert len(commands) >= 6
    for command in commands:
        result = base.advisor(*shlex.split(command)[1:])
        assert result.returncode == 0, f"{command}: {result.stderr}"


NEED_MORE = {
    "plan gpt-oss-20b": "engine", "run model.gguf --prompt hi": "engine", "engine devices": "engine",
    "engine bench model.gguf": "engine", "engine serve-device --port 0": "engine",
    "engine synth --model Qwen3-8B --layers 1 --output new.gguf": "engine", "engine experts model.gguf": "engine",
    "calibrate": "engine,calibrate", "calibrate --quick": "engine,calibrate", "accuracy --again": "calibrate",
    "serve": "api", "app": "web", "mcp": "mcp", "prices update --source ebay": "shops",
    "prices set 3090 700": "prices", "prices import prices.csv": "prices",
    "predict --gguf https://127.0.0.1:9/model.gguf --gpu 3090": "hub", "prices show 3090 --plot out.png": "plots",
    "sweep sweep.toml --output rows": "sweep",
}


@pytest.fixture(scope="module")
def stocked(base: Installed) -> Installed:
    """The base install in a folder with a small model file and a sweep."""
    recipe = Recipe(resolve_llm("SmolLM2-135M").row.llm, resolve_quant("Q8_0").row, Cut(1, None, 64), 0.0, 0)
    write_model(recipe, base.folder / "model.gguf")
    sweep = 'models = ["gpt-oss-20b"]\nquants = ["MXFP4"]\n[hardware]\ngpus = ["RTX 3090"]\ncpus = ["Ryzen 7 5800X"]\n'
    (base.folder / "sweep.toml").write_text(sweep)
    (base.folder / "prices.csv").write_text("part,price\nRTX 3060 12GB,250\n")
    return base


@pytest.mark.parametrize("words", NEED_MORE)
def test_a_command_that_needs_more_says_in_a_sentence_which_extra(stocked: Installed, words: str) -> None:
    before = sorted(path.name for path in stocked.folder.iterdir())
    result = stocked.advisor(*words.split())
    said = result.stderr.splitlines()[-1]
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert said.startswith("advisor: ")
    if NEED_MORE[words] == "engine" and "synth" not in words:
        assert f'CMAKE_ARGS="-DGGML_RPC=ON" {stocked.python} -m pip install' in said
    else:
        assert f"{stocked.python} -m pip install 'llm-hardware-advisor[{NEED_MORE[words]}] @ file://" in said
    assert sorted(path.name for path in stocked.folder.iterdir() if path.name != "home") == [
        name for name in before if name != "home"
    ]


def test_a_base_install_predicts_a_model_file(stocked: Installed) -> None:
    result = stocked.advisor("predict", "--gguf", "model.gguf", "--gpu", "RTX 3060 12GB", "--json")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["fits"] is True


def test_the_command_that_is_told_installs_the_extra(stocked: Installed) -> None:
    asked = ("predict", "--gguf", "https://127.0.0.1:9/model.gguf", "--gpu", "RTX 3090")
    said = stocked.advisor(*asked).stderr
    command = said.partition("'hub': ")[2].strip()
    result = subprocess.run(
        command, shell=True, cwd=stocked.folder, env=clean(), capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    after = stocked.advisor(*asked)
    assert after.returncode == 2
    assert "127.0.0.1" in after.stderr
    assert "extra" not in after.stderr


def test_the_containerfile_and_the_workflows_pass_their_linters() -> None:
    """Neither can run here: a builder and a base image, three systems."""
    here = Path(sys.executable).parent
    done(here / "hadolint", ROOT / "Containerfile", cwd=ROOT)
    workflows = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
    done(here / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", *workflows, cwd=ROOT)
    assert len(workflows) == 1


def test_the_container_runs_without_root_on_a_read_only_disk_and_tells_its_health() -> None:
    lines = (ROOT / "Containerfile").read_text("utf-8").splitlines()
    assert "USER 10001" in lines
    assert "--read-only" in lines[1]
    assert any(line.startswith("HEALTHCHECK ") and "/readyz" in line for line in lines)
    assert any("PYTHONDONTWRITEBYTECODE=1" in line for line in lines)


POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty"}
POSIX_ALONE = {
    "os": set(dir(os)) & {
        "fork", "forkpty", "getegid", "geteuid", "getgid", "getloadavg", "getuid", "killpg", "mkfifo", "mknod", "nice",
        "openpty", "posix_fadvise", "posix_spawn", "sched_getaffinity", "setpgid", "setsid", "uname", "wait4",
    },
    "signal": set(dir(signal)) & {"SIGALRM", "SIGCHLD", "SIGHUP", "SIGKILL", "SIGQUIT", "SIGUSR1", "SIGUSR2", "alarm"},
    "socket": {"AF_UNIX"},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
    "loop": {"add_signal_handler"},
}
"""What Windows lacks, or the event loop there of one of several workers. Source: docs.python.org, "Availability: Unix"
of each, and asyncio's platform support."""
SERVING = [*(ROOT / "webapp" / "api").glob("*.py"), *(ROOT / "advisor" / "cli").glob("*.py")]
SERVING += [ROOT / "advisor" / name for name in ("children.py", "files.py", "databases.py")]


@pytest.mark.parametrize("path", SERVING, ids=lambda path: path.stem)
def test_what_serves_and_is_typed_rests_on_nothing_that_windows_lacks(path: Path) -> None:
    """But where the function asks first on what system it is. None of this can run here on another one."""
    text = path.read_text("utf-8")
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    asking = [node for node in functions if re.search(r"sys\.platform|hasattr\(", ast.get_source_segment(text, node))]
    guarded = {id(node) for function in asking for node in ast.walk(function)}
    found = []
    for node in (node for node in ast.walk(tree) if id(node) not in guarded):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {getattr(node, "module", None), *(alias.name for alias in node.names)}
            found += sorted(names & POSIX_MODULES)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            found += [ast.unparse(node)] * (node.attr in POSIX_ALONE.get(node.value.id, set()))
        elif isinstance(node, ast.Call) and re.fullmatch(r"os\.kill\(.*, 0\)", ast.unparse(node)):
            found.append("os.kill with signal 0, which presses Ctrl-C on Windows")
    assert found == []
