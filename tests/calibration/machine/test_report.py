"""What a calibration found, as text, page and data: the same numbers in each, and honest about what is assumed."""

import json
import math
import re
from html.parser import HTMLParser
from pathlib import Path
from statistics import median

import pytest

from advisor.buying.changes import OTHER_CARD
from advisor.charts import draw
from advisor.documents import as_html, charts_of
from advisor.errors import InputError
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.profiles.own_machine import knowledge_of
from advisor.question import Engine, Scenario
from calibration.machine.findings import Findings, comparisons, errors_by_kind, errors_of, findings, run_label
from calibration.machine.outlook import MODELS, Outlook, outlook
from calibration.machine.report import WIDTH, as_data, document, lines
from catalog.profiles import EngineRun, Profile
from tests.own_profiles import RYZEN, SHIFTS, XEON, own_profile


@pytest.fixture(scope="module")
def found() -> Findings:
    return findings(own_profile(), load(), "It is this machine's.")


def page(found: Findings) -> str:
    return as_html(document(found))


def draw_report(found: Findings, target: str) -> None:
    shown = document(found)
    draw(charts_of(shown), target, shown.title)


def seen_by(profile: Profile) -> Outlook:
    return outlook(profile, load())


def test_errors_are_of_runs_that_were_not_seen() -> None:
    """By hand: predicted 11, 9 and 12 for measured 10: errors of 10, 10 and 20 %; the 90th percentile lies four fifths
    of the way from the second to the third.
    """
    runs = [
        {"scenario": {}, "decode": {"tok_s": 10, "spread": spread}, "decode_left_out_tok_s": predicted}
        for predicted, spread in ((11, 0.01), (9, 0.02), (12, 0.05))
    ]
    unseen = {"scenario": {}, "decode": {"tok_s": 10, "spread": 0}}
    figures = errors_of(comparisons(own_profile(runs=[*runs, unseen])))
    assert figures is not None
    assert (figures.rows, figures.spread) == (3, 0.02)
    assert (figures.median, figures.p90) == (pytest.approx(0.1, rel=1e-9), pytest.approx(0.18, rel=1e-9))
    assert errors_by_kind(own_profile(runs=[])) == {}


def test_the_text_has_errors_bandwidth_series_and_numbers(found: Findings) -> None:
    text = "\n".join(lines(found))
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.isascii()
    decode = [abs(row.error) for row in found.comparisons if row.kind == "decode"]
    assert f"9 runs   error: median {median(decode):.1%}" in text
    assert "     4    43.0 GB/s +- 2.0%" in text  # the probe of four threads
    assert re.search(r"16,384 tokens +\S+ tok/s .*\(predicted ", text)
    assert re.search(r"34 layers +\S+ tok/s .*\(predicted ", text)
    assert f"ram_stream                     x  {math.exp(SHIFTS['ram_stream']):.2f} +-   3%" in text
    assert "no run here informs 1 more: as probed here or on other machines (--html and --json have all)" in text
    assert "-0.93  ram_stream and core_gb_s" in text
    assert "the machine was busy: load average 3" in text


def test_series_are_of_runs_that_differ_in_one_setting(found: Findings) -> None:
    (depths,), (experts,) = found.over_depth, found.over_experts
    assert (depths.label, [point.at for point in depths.points]) == (
        "Llama-3.1-8B Q4_K_M, on the CPU",
        [0, 4096, 16384],
    )
    assert [point.at for point in experts.points] == [22, 28, 34, 40]
    speeds = [point.measured for point in experts.points]
    assert speeds == sorted(speeds, reverse=True)  # more experts in RAM, slower


def test_a_run_is_named_by_what_is_not_usual() -> None:
    asked = {
        "model": "Qwen3.6-35B-A3B cut to 8 layers", "quant": "Q8_0",
        "engine": {"n_gpu_layers": 12, "n_cpu_moe": 3, "threads": 1, "ubatch": 512, "kv_type": "q8_0"},
        "workload": {"context_depth": 2048},
    }
    run = EngineRun.model_validate({"scenario": asked, "decode": {"tok_s": 1, "spread": 0}})
    assert run_label(run) == (
        "Qwen3.6-35B-A3B cut to 8 layers Q8_0, 12 layers on the GPU, experts of 3 layers in RAM, 1 thread, "
        "context q8_0, at 2,048 tokens"
    )
    assert run_label(EngineRun.model_validate({"scenario": {}, "decode": {"tok_s": 1, "spread": 0}})) == "a model file"


def test_models_are_predicted_with_the_profile(found: Findings) -> None:
    assert found.outlook is not None
    assert [answer.model for answer in found.outlook.now] == list(MODELS)
    asked = Scenario(model=MODELS[0], hardware=RYZEN, engine=Engine(n_ctx=8192))
    assert found.outlook.now[0] == predict(asked, knowledge_of(own_profile(), load()))


def test_a_second_memory_channel_speeds_up_what_memory_limits_and_no_more_than_twice() -> None:
    """On one channel all of a dense model is read from RAM: the gain is large but below 2, as fixed costs stay."""
    single = {"cpu": "Ryzen 7 5800X", "ram": {"type": "DDR4", "mt_s": 3200, "channels": 1, "gb": 16}}
    found = {row.what: row for row in seen_by(own_profile(single)).upgrades}
    gain = found["a second RAM channel"].gain_share[MODELS.index("Llama-3.1-8B")]
    assert gain is not None
    assert 0.3 < gain < 1
    # 19 GB of weights fit only into twice the memory.
    assert found["a second RAM channel"].tok_s[0] is not None
    assert found["a second RAM channel"].gain_share[0] is None


def test_faster_memory_gains_next_to_nothing_where_the_cores_read_no_faster() -> None:
    """A core of 1 GB/s: exp(-3.3) of the 28 GB/s of others. Eight of them are far below either memory's peak, and an
    eighth more of it is worth the tenth of that at most.
    """
    slow = {"coefficient": "core_gb_s", "log_value": -3.3, "standard_error": 0.01, "informed": True}
    gains = []
    for effects in ([slow], own_profile().effects):
        found = {row.what: row for row in seen_by(own_profile({**RYZEN, "gpus": []}, effects=effects)).upgrades}
        row = found.get("DDR4-3600 instead of DDR4-3200")  # what changes no speed by half a percent is not shown
        gains.append(row.gain_share[MODELS.index("gpt-oss-20b")] if row else 0.0)
    limited, free = (gain or 0.0 for gain in gains)
    assert limited < 0.0125 < free


def test_upgrades_that_change_nothing_are_not_shown(found: Findings) -> None:
    assert found.outlook is not None
    for row in found.outlook.upgrades:
        told = [abs(gain) for gain in row.gain_share if gain is not None]
        assert max(told, default=1) >= 0.005


def test_another_card_is_not_given_what_was_measured_of_this_one() -> None:
    """A profile that found this card half as fast says nothing of an RTX 3090."""
    slow = {"coefficient": "gpu_stream", "log_value": -0.7, "standard_error": 0.01, "informed": True}
    rows = [
        next(row for row in seen_by(own_profile(effects=effects)).upgrades if row.what.startswith("RTX 3090"))
        for effects in ([slow], [])
    ]
    assert rows[0].tok_s == pytest.approx(rows[1].tok_s, rel=1e-12)
    assert rows[0].assumed == OTHER_CARD
    gains = [row.gain_share[MODELS.index("Llama-3.1-8B")] for row in rows]
    assert gains[0] is not None
    assert gains[1] is not None
    assert gains[0] > gains[1]


def test_what_cannot_be_judged_is_said() -> None:
    profile = own_profile(XEON, name="xeon")
    seen = seen_by(profile)
    assert not any("RAM channel" in row.what or "DDR" in row.what for row in seen.upgrades)
    assert any("the RAM's type and speed and channels are not told by the system" in gap for gap in seen.gaps)
    assert "upgrades of it cannot be judged" in " ".join("\n".join(lines(findings(profile, load(), "Use."))).split())
    unified = seen_by(own_profile({"machine": "Strix Halo", "ram": {"gb": 128}}))
    assert (unified.upgrades, unified.gaps) == ((), ("a whole machine is not upgraded part by part",))


def test_the_page_is_whole_and_loads_nothing(found: Findings) -> None:
    text = page(found)
    parser = Checked()
    parser.feed(text)
    assert (parser.open, parser.faults) == ([], [])
    assert text.count("<svg") == 4
    assert not re.search(r"<script|<link|<img|url\(|https?://(?!www\.w3\.org/2000/svg)", text)
    assert "Predicted against measured speeds" in text


def test_the_page_shows_texts_of_a_profile_as_text() -> None:
    hostile = "<script>alert(1)</script>"
    runs = [
        {"scenario": {"model": hostile, "workload": {"context_depth": depth}}, "decode_left_out_tok_s": 1,
         "decode": {"tok_s": 1 + depth, "spread": 0}} for depth in (0, 1)
    ]
    profile = own_profile(notes=[hostile], runs=runs, engine={"name": hostile, "backend": "cpu"})
    assert "<script" not in page(findings(profile, load(), hostile))


@pytest.mark.parametrize("fields", [{"runs": []}, {"probes": []}, {"effects": []}, {"correlations": []}])
def test_a_profile_that_lacks_a_part_is_shown_without_it(fields: dict[str, list[object]]) -> None:
    found = findings(own_profile(**fields), load(), "Use.")
    assert lines(found)[0].startswith("Profile box")
    assert page(found).endswith("</html>\n")


def test_the_data_is_json_of_the_same_numbers(found: Findings) -> None:
    data = json.loads(json.dumps(as_data(found), allow_nan=False))
    assert Profile.model_validate(data["profile"]) == own_profile()
    assert data["errors"]["decode"]["rows"] == 9
    assert data["ram_read_gb_s"] == {"1": 24.0, "2": 37.0, "4": 43.0, "8": 43.5}
    assert {row["what"] for row in data["upgrades"]} >= {"another RTX 3060 12GB"}


class Checked(HTMLParser):
    """Follows which elements are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)


def test_the_picture_is_written_whole_or_not_at_all(found: Findings, tmp_path: Path) -> None:
    target = tmp_path / "own" / "report.png"
    draw_report(found, str(target))
    assert target.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    draw_report(found, str(tmp_path / "report.svg"))
    drawn = (tmp_path / "report.svg").read_text(encoding="utf-8")
    assert drawn.count('<g id="axes_') == 4  # errors, bandwidth, depths, experts in RAM
    for wrong, told in (("report.gif", "must end in .png, .svg, .html"), ("report.svg/x.svg", "cannot be written")):
        with pytest.raises(InputError, match=told):
            draw_report(found, str(tmp_path / wrong))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["own", "report.svg"]


def test_a_profile_without_runs_has_a_picture_too(tmp_path: Path) -> None:
    draw_report(findings(own_profile(runs=[], probes=[]), load(), "", predicts=False), str(tmp_path / "report.html"))
    assert 'alt="Calibration of' in (tmp_path / "report.html").read_text(encoding="utf-8")
