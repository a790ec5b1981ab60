"""An article's claims beside ours: each gets a verdict for a reason that can be followed."""

import json
from collections import Counter
from dataclasses import replace

import pytest

from advisor.cli.app import run
from advisor.market.estimate import Part
from advisor.market.market import shipped_market
from advisor.physics.knowledge import Knowledge, load
from calibration.accuracy.claims import Claim, Judged, claims, judged
from catalog import tables

SPEED = Claim(
    id="X", gpu="RTX 3060 12GB", cpu="Ryzen 7 5800X", ram="32GB DDR4-3600", model="Qwen3.6-35B-A3B", quant="Q4_K_M",
    context_tokens=4096, metric="decode_tok_s", low=1.0, high=1.0, unit="tok/s", note="",
)
SIZE = replace(SPEED, model="Llama-2-7B", quant="Q4_0", metric="weights_gb", unit="GB")


def verdict(claim: Claim) -> Judged:
    return judged(Knowledge(), tables.public_runs(), [claim])[0]


def test_a_range_has_two_ends() -> None:
    found = {(claim.id, claim.metric): claim for claim in claims()}
    assert (found["Q3", "decode_tok_s"].low, found["Q3", "decode_tok_s"].high) == (14, 17)
    assert (found["G3", "decode_tok_s"].low, found["G3", "decode_tok_s"].high) == (19.4, 19.4)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.01, 0.02, "contradicted"), (5000, 6000, "contradicted"), (0.01, 6000, "supported")],
)
def test_a_speed_is_held_against_the_predicted_interval(low: float, high: float, expected: str) -> None:
    # One card with 57.6 GB/s of RAM writes neither a token in a minute nor thousands in a second
    found = verdict(replace(SPEED, low=low, high=high))
    assert found.verdict == expected
    assert len(found.nearest) == 3
    assert found.sources == tuple(run_.source for run_ in found.nearest)


@pytest.mark.parametrize(("claimed", "expected"), [(3.56, "supported"), (3.83, "supported"), (5.0, "contradicted")])
def test_a_file_size_may_be_told_in_either_unit(claimed: float, expected: str) -> None:
    # llama-bench prints 3.56 GiB for Llama 2 7B Q4_0 (github.com/ggml-org/llama.cpp/discussions/15013): 3.83 GB
    assert verdict(replace(SIZE, low=claimed, high=claimed)).verdict == expected


def test_a_price_is_held_against_the_estimate() -> None:
    card = replace(SPEED, cpu="", ram="", model="", quant="", metric="price_used", unit="USD")
    newest = max(row.as_of for row in tables.observations())
    known = shipped_market().estimates(newest)[Part("gpu", "RTX 3060 12GB", None, "used")]
    assert verdict(replace(card, low=known.price_usd, high=known.price_usd)).verdict == "supported"
    assert verdict(replace(card, low=known.low_usd / 2, high=known.low_usd / 2)).verdict == "contradicted"
    assert f"{known.price_usd:,.0f} USD used" in verdict(card).ours


def test_slower_memory_slows_by_no_more_than_its_rate() -> None:
    pair = replace(SPEED, ram="DDR4-2666 vs DDR4-3600", metric="slowdown_fraction", unit="ratio")
    # 1 - 2666 / 3600 = 26 % is the most that the rate alone can take, and a quarter more is 32 %
    assert verdict(replace(pair, low=0.5, high=0.5)).verdict == "contradicted"
    assert verdict(replace(pair, low=0.0, high=0.26)).verdict == "supported"


@pytest.mark.parametrize("metric", ["speedup_fraction", "throughput_factor", "something_new"])
def test_what_is_not_predicted_is_not_judged(metric: str) -> None:
    found = verdict(replace(SPEED, metric=metric))
    assert found.verdict == "not testable"
    assert "predicted" in found.ours


def test_every_claim_of_the_article_has_a_verdict_and_what_it_rests_on() -> None:
    found = judged(load(), tables.public_runs())
    assert [item.claim for item in found] == list(claims())
    assert [
        item.claim.id for item in found if item.verdict != "not testable" and not (item.ours and item.sources)
    ] == []
    assert Counter(item.verdict for item in found)["contradicted"] > 0


def test_an_rtx_5090_is_not_as_slow_as_claimed() -> None:
    # The article says 19.4 tok/s; at 32 GB the whole file (19.7 GiB) fits, and runs of slower cards show over 100
    found = {(item.claim.id, item.claim.metric): item for item in judged(load(), tables.public_runs())}
    assert found["G3", "decode_tok_s"].verdict == "contradicted"
    assert max(near.decode_tok_s or 0 for near in found["G3", "decode_tok_s"].nearest) > 100


def test_the_command_prints_claims_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["accuracy", "--claims", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert {"id", "metric", "low", "high", "verdict", "ours", "sources", "nearest"} <= set(rows[0])
