"""Figures of accuracy by hand arithmetic, regimes of rows, and that the page in the repository is current."""

import json
import math
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pytest

from advisor.cli import accuracy as command
from advisor.cli.app import run
from advisor.documents import Table
from advisor.prediction.case import case_of
from advisor.question import Scenario
from calibration.accuracy import accuracy as accuracies
from calibration.accuracy.accuracy import Comparison, explanation, figures, grouped, quantile, spearman, worst
from calibration.accuracy.baselines import BASELINES, Baseline
from calibration.accuracy.page import (
    GROUP_OF_REGIME,
    KINDS,
    baseline_rows,
    by_regime,
    document,
    of_kind,
    page,
)
from calibration.fit.evidence import MeasuredRun, load_runs, regime_of, rows
from calibration.fit.fitting import FitRow
from calibration.fit.leaving_out import LeftOutError
from catalog.efficiency import Spread
from catalog.tables import left_out_wider

ROOT = Path(__file__).parents[3]
DRIFT = 0.02
"""Figures may differ by this much: other BLAS builds end the fit in slightly other places."""


def scenario(ram: dict[str, object] | None = None, **more: object) -> Scenario:
    hardware = {"gpus": [{"name": "RTX 3060 12GB"}], "cpu": "Ryzen 7 5800X", "ram": ram or {"gb": 64, "mt_s": 3200}}
    return Scenario.model_validate({"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M", "hardware": hardware} | more)


def comparison(machine: str, measured: float, predicted: float, question: Scenario | None = None) -> Comparison:
    asked = question or scenario()
    run_ = MeasuredRun(asked, measured, None, "", "", "", "expert_offload")
    return Comparison(run_, case_of(asked), "decode", machine, measured, predicted, predicted / 2, predicted * 2)


def test_figures_by_hand() -> None:
    # Errors: machine a 0.1, 0.3, 0.5 (median 0.3), machine b 0.9; a's 0.5 is a factor 2 below, within the interval
    sample = [comparison("a", 10, 11), comparison("a", 10, 13), comparison("a", 10, 5), comparison("b", 10, 19)]
    of = figures(sample)
    assert (of.rows, of.machines, of.spearman) == (4, 2, None)
    assert of.median_ape == pytest.approx(0.4)  # (0.3 + 0.5) / 2
    assert of.machine_balanced_ape == pytest.approx(0.6)  # (0.3 + 0.9) / 2
    assert of.p90_ape == pytest.approx(0.9)  # the fourth of four: int(0.9 x 4) = 3
    assert of.within_20pct == pytest.approx(0.25)
    assert of.within_2x == pytest.approx(1.0)
    assert of.median_log_ratio == pytest.approx((math.log(1.1) + math.log(1.3)) / 2)
    assert of.interval_coverage == pytest.approx(1.0)
    assert of.median_interval_ratio == pytest.approx(4.0)


def test_a_speed_outside_its_interval_counts_as_missed() -> None:
    assert figures([comparison("a", 10, 11), comparison("a", 10, 21)]).interval_coverage == pytest.approx(0.5)


def test_rank_correlation() -> None:
    assert spearman([(float(i), float(i) ** 3) for i in range(9)]) == pytest.approx(1.0)
    assert spearman([(float(i), -float(i)) for i in range(9)]) == pytest.approx(-1.0)
    # Two neighbours exchanged among eight: 1 - 6 x 2 / (8 x 63) = 0.97619
    assert spearman([(1, 2), (2, 1), *((float(i), float(i)) for i in range(3, 9))]) == pytest.approx(0.97619, rel=1e-5)
    assert spearman([(1.0, 1.0)] * 7) is None


def test_a_quantile_is_a_value_that_was_there() -> None:
    assert quantile([5.0, 1.0, 2.0, 4.0, 3.0], 0.5) == 3.0


ROW = dict.fromkeys(next(rows()), "") | {"gpu": "RTX 3090", "backend": "CUDA", "gpu_count": "1", "vram_gb_each": "24"}


@pytest.mark.parametrize(
    ("cells", "regime"),
    [
        ({}, "full_gpu"),
        ({"gpu_count": "2"}, "multi_gpu"),
        ({"gpu": "none"}, "cpu_only"),
        ({"gpu": ""}, "cpu_only"),
        ({"n_gpu_layers": "0"}, "cpu_only"),
        ({"backend": "CPU"}, "cpu_only"),
        ({"gpu": "Apple M4 Max"}, "unified"),
        ({"ram_type": "unified"}, "unified"),
        ({"n_cpu_moe": "20"}, "expert_offload"),
        ({"n_cpu_moe": "0"}, "full_gpu"),
        ({"offload_note": "-ot exps=CPU"}, "expert_offload"),
        ({"offload_note": "experts of layers 31-94 on CPU", "model_gib": "80"}, "expert_offload"),
        ({"offload_note": "-ot blk 1x.. ffn=CPU, remaining ffn on GPU", "model_gib": "80"}, "expert_offload"),
        ({"offload_note": "dense: attn and 10 layers' ffn on GPU", "model_gib": "80"}, "layer_split"),
        ({"offload_note": "paging from disk", "n_cpu_moe": "20"}, "storage"),
        ({"model_gib": "40"}, "layer_split"),
        ({"model_gib": "40", "gpu_count": "2"}, "multi_gpu"),
    ],
)
def test_where_a_row_says_that_the_weights_lay(cells: dict[str, str], regime: str) -> None:
    assert regime_of(ROW | cells) == regime


def test_every_kept_run_has_a_regime_that_the_page_knows() -> None:
    assert {run_.regime for run_ in load_runs()[0]} <= set(GROUP_OF_REGIME)


def test_intervals_do_not_know_their_own_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """The intervals of a machine come from the errors of the others alone."""
    seen: list[set[str]] = []
    made = accuracies.spreads_of

    def spy(errors: Sequence[LeftOutError], as_of: date) -> list[Spread]:
        seen.append({item.observation.machine for item in errors})
        return made(errors, as_of)

    monkeypatch.setattr(accuracies, "spreads_of", spy)
    errors = [
        LeftOutError(FitRow(case_of(scenario()), kind, 10.0, machine), 0.1, novelty=0.0)
        for machine in ("a", "b", "c") for kind in KINDS
    ]
    runs = {item.observation: comparison("a", 1, 1).run for item in errors}
    assert len(accuracies._compared(errors, runs)) == 6
    assert seen == [{"b", "c"}, {"a", "c"}, {"a", "b"}]


def test_an_explanation_names_what_was_not_said() -> None:
    vague = Scenario.model_validate(
        {"model": "Qwen3.6-35B-A3B", "quant": "Q4_K_M", "hardware": {"gpus": [{"name": "RTX 3060 12GB"}]}}
    )
    told = explanation(comparison("a", 10, 30, vague), [comparison("a", 1, 1), comparison("b", 1, 1)])
    assert "the CPU is not named" in told
    assert "the RAM's speed is not said" in told
    assert "the placement is not said" in told


def test_an_explanation_names_what_overflows_and_what_is_old() -> None:
    old = scenario(
        {"gb": 8, "mt_s": 3200, "type": "DDR4"}, engine={"version": "b2900", "n_gpu_layers": 99, "n_cpu_moe": 99}
    )
    told = explanation(comparison("a", 10, 30, old), [comparison("a", 1, 1), comparison("b", 1, 1)])
    assert "GiB overflow into storage" in told
    assert "a build of 2024 or before" in told


def test_an_explanation_names_measurements_that_contradict_each_other() -> None:
    row, other = comparison("a", 10, 30), comparison("a", 32, 30)
    assert "other builds or settings gave 32 tok/s for the same" in explanation(row, [row, other])
    assert "other builds" not in explanation(row, [row, comparison("a", 12, 30), comparison("b", 32, 30)])


def test_a_sweep_is_listed_once_among_the_worst() -> None:
    sample = [comparison("a", 10, 30), comparison("a", 10, 40), comparison("b", 10, 5)]
    assert [(row.machine, row.predicted) for row in worst(sample, 5)] == [("a", 40), ("b", 5)]


def sections(text: str) -> dict[str, str]:
    heads = re.split(r"^## (.+)$", text, flags=re.MULTILINE)
    return dict(zip(heads[1::2], heads[2::2], strict=True))


def alike(left: str, right: str) -> bool:
    """Numbers agree within the drift or half of their last digit."""
    if not (left and right):
        return left == right
    last = 10.0 ** -len(left.partition(".")[2])
    return math.isclose(float(left), float(right), rel_tol=DRIFT, abs_tol=last)


def test_the_page_in_the_repository_is_current(found) -> None:
    kept = sections((ROOT / "ACCURACY.md").read_text(encoding="utf-8"))
    made = sections(page(found(), command.TITLE, "docs/accuracy.png", command.MADE_BY))
    number = r"(?<![\w.-])\d+(?:\.\d+)?(?![\w-])"
    assert list(kept) == list(made)
    for title, text in made.items():
        if title.startswith("Furthest off"):
            links = [set(re.findall(r"https?://\S+", part)) for part in (text, kept[title])]
            assert len(links[0] & links[1]) >= 0.7 * len(links[0]), title
            continue
        assert re.sub(number, "#", kept[title]) == re.sub(number, "#", text), title
        pairs = zip(re.findall(number, kept[title]), re.findall(number, text), strict=True)
        assert [pair for pair in pairs if not alike(*pair)] == [], title


def test_the_picture_is_small() -> None:
    picture = (ROOT / "docs" / "accuracy.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 200 * 1024


def test_every_kept_run_is_compared_or_refused_for_a_reason(found) -> None:
    kept, left_out = load_runs()
    compared = {id(row.run) for row in found().comparisons}
    prefill_of_nothing = sum(run_.decode_tok_s is None and run_.scenario.workload.prompt_tokens == 0 for run_ in kept)
    assert len(compared) + len(found().refused) + prefill_of_nothing == len(kept)
    assert found().rows_read == len(kept) + len(left_out)
    assert all(reason for _, reason in found().refused)


def test_the_page_tells_what_happens_where_more_is_left_out(found) -> None:
    (part,) = (part for part in document(found()).sections if part.title == "Sources and architectures left out")
    (table,) = (block for block in part.blocks if isinstance(block, Table))
    assert [row[0] for row in table.rows] == [row.left_out for row in left_out_wider()]
    assert {row[0] for row in table.rows} == {"source", "architecture"}


def test_groups_hold_every_row_once(found) -> None:
    for kind in KINDS:
        ours = of_kind(found(), kind)
        for group in accuracies.GROUPS:
            assert sum(len(part) for part in grouped(ours, group).values()) == len(ours)


@pytest.mark.parametrize("baseline", BASELINES, ids=lambda item: item.name)
def test_ours_is_ahead_of_other_advisors_wherever_there_are_machines_to_tell(found, baseline: Baseline) -> None:
    theirs, ours = (by_regime(part) for part in baseline_rows(baseline, of_kind(found(), "decode")))
    told = {name: figures(part) for name, part in theirs.items() if figures(part).machines >= 5}
    assert {"all", "full_gpu", "unified", "expert_offload"} <= set(told)
    behind = [name for name, of in told.items() if figures(ours[name]).machine_balanced_ape > of.machine_balanced_ape]
    assert behind == []


def test_the_command_prints_json_and_draws(
    found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(accuracies, "accuracy", lambda _again: found())
    assert run(["accuracy", "--json", "--plot", str(tmp_path / "points.html")]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["decode"]["all"]["rows"] == len(of_kind(found(), "decode"))
    assert set(data["baselines"]) == {"llmfit", "whichllm", "canirun.ai"}
    assert "<img" in (tmp_path / "points.html").read_text(encoding="utf-8")


def test_the_command_prints_tables(found, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(accuracies, "accuracy", lambda _again: found())
    assert run(["accuracy"]) == 0
    out = capsys.readouterr().out
    assert "Decode beside other advisors" in out
    assert "unified memory" in out


@pytest.mark.parametrize("options", [(), ("--again",)])
def test_machines_are_left_out_anew_only_when_asked_for(
    options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which figures are worked out is asked here alone, not what is made of them."""
    asked: list[bool] = []
    monkeypatch.setattr(accuracies, "accuracy", asked.append)
    monkeypatch.setattr("calibration.accuracy.page.as_data", lambda _: {})
    assert run(["accuracy", "--json", *options]) == 0
    assert asked == [bool(options)]
    assert ("some minutes" in capsys.readouterr().err) is bool(options)


@pytest.mark.parametrize(
    ("options", "told"),
    [(("--json", "--markdown"), "leave one out"), (("--plot", "points.gif"), "must end in .png, .svg, .html")],
)
def test_what_the_command_refuses(
    found, options: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(accuracies, "accuracy", lambda _again: found())
    assert run(["accuracy", *options]) == 2
    assert told in capsys.readouterr().err
