"""The one table of words: whatever a prediction may say by a code is worded, limited and coloured."""

import re

from advisor.answer import LIMITS, REGIMES
from advisor.physics.coefficients import Efficiencies
from advisor.physics.stages import STAGES, decode_stages
from advisor.prediction.case import case_of
from advisor.question import Scenario
from catalog.tables import public_runs, spreads

COLOUR = re.compile(r"#[0-9a-f]{6}")
CASE = case_of(Scenario.model_validate({"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3060 12GB"}]}}))


def test_every_stage_of_a_decode_step_is_worded_limited_and_coloured() -> None:
    stages = decode_stages(CASE.work, Efficiencies().values(CASE.setting))
    assert [*stages, "rows"] == list(STAGES)
    assert all(stage.words and stage.limit in LIMITS and COLOUR.fullmatch(stage.colour) for stage in STAGES.values())
    assert {stage.limit for stage in STAGES.values()} | {"cpu_compute"} == set(LIMITS)


def test_no_two_stages_and_no_two_regimes_look_or_read_alike() -> None:
    for table in (STAGES, REGIMES):
        for told in ([row.words for row in table.values()], [row.colour for row in table.values()]):
            assert len(set(told)) == len(table)


def test_every_regime_that_was_measured_or_has_a_spread_is_worded_and_coloured() -> None:
    met = {run.regime for run in public_runs()} | {row.regime for row in spreads()} - {"all"}
    # No public run of the tables keeps a dense model's feed-forward matrices in RAM: it is planned by the same physics.
    assert met | {"feed_forward_offload"} == set(REGIMES)
    for regime in REGIMES.values():
        assert regime.sentence.format(moe=3, gpu_layers=4, layers=40)
        assert regime.words
        assert regime.group
        assert COLOUR.fullmatch(regime.colour)


def test_a_limit_is_short_in_a_cell_and_a_sentence_elsewhere() -> None:
    assert all(0 < len(limit.short) <= 16 < len(limit.sentence) for limit in LIMITS.values())
