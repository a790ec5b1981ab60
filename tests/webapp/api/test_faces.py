"""One scenario has one answer, whichever face is asked: Python, the command, a batch, HTTP, the client or the app."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from streamlit.testing.v1 import AppTest

from advisor.answer import Prediction
from advisor.client import Client
from advisor.documents import number
from advisor.physics.knowledge import load
from advisor.prediction.batch import answer_lines
from advisor.prediction.prediction import predict
from advisor.question import Scenario
from tests.webapp.api.running import CARD, SCENARIO, Server

Answer = dict[str, Any]
FACES: Final[list[Answer]] = [
    SCENARIO,
    {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M", "hardware": CARD, "workload": {"context_depth": 8192}},
    {"model": "Llama-3.3-70B", "quant": "Q4_K_M", "hardware": {"machine": "M4 Max"}},
    {"model": "Qwen3.6-35B-A3B-UD-Q4_K_XL", "hardware": {"gpus": [{"name": "RTX 5090", "count": 2}]}},
    {"model": "gpt-oss-120b", "hardware": {"cpu": "EPYC 9115", "ram": {"gb": 256}}, "workload": {"users": 4}},
    {"model": "Llama-3.3-70B", "quant": "F16", "hardware": {"gpus": [{"name": "GTX 1060 6GB"}], "ram": {"gb": 8}}},
]


class Filled(NamedTuple):
    """A question of a nearly full context, as command and app take it: prompt and answer are its last tokens."""

    model: str
    quant: str
    context: int
    parts: dict[str, str]
    """What both call gpu, cpu, ram, or a whole machine."""
    hardware: Answer

    @property
    def scenario(self) -> Answer:
        load_ = {"context_depth": self.context - 512 - 128, "prompt_tokens": 512, "gen_tokens": 128}
        engine = {"n_ctx": self.context}
        return {
            "model": self.model, "quant": self.quant, "hardware": self.hardware, "engine": engine, "workload": load_,
        }

    @property
    def options(self) -> list[str]:
        given = {"model": self.model, "quant": self.quant, "context": str(self.context), **self.parts}
        return [word for name, value in given.items() for word in (f"--{name}", value)]

    @property
    def link(self) -> dict[str, str]:
        parts = {"gpu": "", "cpu": "", "ram": ""} | {
            "whole" if name == "machine" else name: text for name, text in self.parts.items()
        }
        return {"model": self.model, "quant": self.quant, "context": str(self.context), **parts}


RAM: Final = {"type": "DDR4", "mt_s": 3600, "channels": 2, "modules": 2, "gb": 64}
FILLED: Final = [
    Filled("Qwen3.6-35B-A3B", "Q4_K_M", 8192,
           {"gpu": "RTX 3060 12GB", "cpu": "Ryzen 7 5800X", "ram": "DDR4-3600 2x32"},
           {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X", "ram": RAM}),
    Filled("gpt-oss-120b", "MXFP4", 32_768, {"machine": "Strix Halo (Ryzen AI Max+ 395)", "ram": "128GB"},
           {"machine": "Strix Halo (Ryzen AI Max+ 395)", "ram": {"gb": 128}}),
    Filled("Llama-3.1-8B", "Q8_0", 4096, {"cpu": "Ryzen 7 5800X", "ram": "DDR4-3600 2x32"},
           {"cpu": "Ryzen 7 5800X", "ram": RAM}),
]


def test_the_same_scenario_gives_the_same_numbers_whichever_face_is_asked(server: Server, tmp_path: Path) -> None:
    asked = FACES + [item.scenario for item in FILLED]
    in_python = [predict(Scenario.model_validate(item), load()).model_dump(mode="json") for item in asked]
    lines = [json.dumps(item) for item in asked]
    with Client(server.url) as client:
        by_client = [item.model_dump(mode="json") for item in client.predict_many(asked)]
    many = server.predict({"scenarios": asked}).json()["predictions"]
    single = [server.predict(item).json() for item in asked]
    in_batch = [json.loads(line) for line in answer_lines((line.encode() for line in lines), load())]
    for face in (in_batch, _batch_command(lines, tmp_path), by_client, many, single):
        _check_same(face, in_python)
    filled = in_python[len(FACES) :]
    _check_same([_command(item) for item in FILLED], filled)
    for item, expected in zip(FILLED, filled, strict=True):
        _check_app(item, expected)


def _check_same(face: list[Answer], in_python: list[Answer]) -> None:
    assert [_without_numbers(item) for item in face] == [_without_numbers(item) for item in in_python]
    # Evaluated among others, the sums of numpy take another order: that moves the last of 16 digits.
    assert [_numbers(item) for item in face] == [pytest.approx(_numbers(item), rel=1e-12) for item in in_python]


def _batch_command(lines: list[str], folder: Path) -> list[Answer]:
    questions, answers = folder / "questions.jsonl", folder / "answers.jsonl"
    questions.write_text("\n".join(lines))
    command = (sys.executable, "-m", "advisor", "predict", "--batch", str(questions), "--output", str(answers))
    subprocess.run(command, check=True)
    return [json.loads(line) for line in answers.read_text().splitlines()]


def _command(item: Filled) -> Answer:
    command = (sys.executable, "-m", "advisor", "predict", "--json", *item.options)
    found: Answer = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {name: found[name] for name in Prediction.model_fields}  # it says more: room, measured runs


def _check_app(item: Filled, expected: Answer) -> None:
    """The line of the quantisation in the table of the page "Models", opened by its link."""
    page = AppTest.from_string("from webapp.pages import models\nmodels.page()", default_timeout=60)
    for field, value in item.link.items():
        page.query_params[field] = value
    page.run()
    assert [fault.message for fault in page.exception] == []
    table = next(shown.value for shown in page.dataframe if "Quantisation" in shown.value.columns)
    row = table[table["Quantisation"] == item.quant].iloc[0]
    writes = expected["decode_tok_s"]
    assert row["tok/s"] == pytest.approx(writes["p50"], rel=1e-12)
    assert row["Prompt"] == pytest.approx(expected["prefill_tok_s"]["p50"], rel=1e-12)
    assert row["90 % range"] == f"{number(writes['p05'])} to {number(writes['p95'])}"
    assert row["n_cpu_moe"] == expected["placement"]["n_cpu_moe"]


def _numbers(answer: Any) -> list[float]:
    if isinstance(answer, dict | list):
        inside = answer.values() if isinstance(answer, dict) else answer
        return [number for item in inside for number in _numbers(item)]
    return [answer] if isinstance(answer, float) else []


def _without_numbers(answer: Any) -> Any:
    if isinstance(answer, dict):
        return {name: _without_numbers(item) for name, item in answer.items()}
    if isinstance(answer, list):
        return [_without_numbers(item) for item in answer]
    return 0.0 if isinstance(answer, float) else answer
