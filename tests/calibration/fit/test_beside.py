"""The fit of users, drafts and split modes: rows as questions, what is held, and what its tables promise."""

from typing import Any

import numpy as np
import pytest

from advisor.physics.coefficients import BESIDE, COEFFICIENTS, Efficiencies, Setting
from calibration.fit.beside import (
    Held,
    base_efficiencies,
    kind_of,
    load_beside,
    scenario_of,
    speculative_of,
    speed_of,
    split_mode_of,
    users_of,
)
from calibration.fit.evidence import EVIDENCE, table
from catalog.tables import acceptances, beside, efficiencies, spreads_beside

COLUMNS = (EVIDENCE / "speculative.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
USERS = (EVIDENCE / "several_users.csv").read_text(encoding="utf-8").splitlines()[0].split(",")


def row(**cells: Any) -> dict[str, str]:
    base = dict.fromkeys({*COLUMNS, *USERS}, "")
    said = {"gpu": "RTX 3090", "gpu_count": 1, "engine": "llama.cpp", "model": "Qwen3.8-27B", "quant": "Q4_K_M"}
    return base | {name: str(cell) for name, cell in (said | cells).items()}


@pytest.mark.parametrize(
    ("note", "mode"),
    [("two cards, -sm row", "row"), ("split mode tensor, NVLink", "tensor"), ("-sm graph", "graph"),
     ("layer split", "layer"), ("tensor-split 1,1, no P2P", None), ("", None)],
)
def test_a_split_mode_is_read_from_the_note(note: str, mode: str | None) -> None:
    assert split_mode_of(row(offload_note=note)) == mode


def test_a_draft_is_read_with_its_number_and_what_was_accepted() -> None:
    found = speculative_of(row(draft="draft-mtp n-max 2", draft_n_max=2, acceptance="0.52-0.96"))
    assert found is not None
    assert (found.kind, found.max_tokens, found.acceptance) == ("mtp", 2, pytest.approx(0.74))
    assert speculative_of(row(draft="none")) is None
    dflash = speculative_of(row(draft="draft-dflash n-max 3", draft_n_max=3))
    assert dflash is not None
    assert dflash.kind == "dflash"


def test_the_speed_of_one_of_several_users_is_asked_and_compared() -> None:
    served = row(parallel=16, aggregate_tok_s=166.2, per_user_tok_s=10.9, decode_tok_s=166.2)
    assert (users_of(served), speed_of(served)) == (16, 10.9)
    assert scenario_of(served).workload.users == 16
    assert speed_of(row(parallel=8, aggregate_tok_s=120, decode_tok_s=120)) == 15
    assert speed_of(row(decode_tok_s=31.0)) == 31.0


LOTTO = "https://github.com/LottoLottoLotto/4x3090-llm-benchmarks"


def test_clients_that_waited_for_a_slot_are_no_users_at_once() -> None:
    """The server of these runs had 8 slots (launch commands of the source): with 16 and 32 clients half of them waited
    for 16 s and more, which is no speed of writing.
    """
    served = {run.fit_row.case.users for run in load_beside()[0] if LOTTO in run.fit_row.author}
    assert max(served) == 8
    assert load_beside()[1]["more users than the server had slots: the others waited for the first"] > 0


def test_choosing_tokens_is_no_part_of_runs_that_choose_none() -> None:
    runs = {run.fit_row.author: run.fit_row.case for run in load_beside()[0] if run.fit_row.case.users > 1}
    benches = [case for author, case in runs.items() if "dgx-spark.md" in author]
    servers = [case for author, case in runs.items() if LOTTO in author]
    assert benches
    assert servers
    assert {float(case.work.choices) for case in benches} == {0.0}
    assert all(float(case.work.choices) > 0 for case in servers)


def test_all_other_coefficients_are_held_where_they_are_shipped() -> None:
    known = base_efficiencies()
    assert not {name for name, _ in known.effects} & BESIDE
    setting = Setting(*["x"] * len(Setting._fields))._replace(rig="one @ place")
    held = Held(known)
    for item in COEFFICIENTS:
        fitted = item.name in BESIDE
        labels = held.labels(item, setting, "q8" if item.per_family else "")
        assert len(labels) == len(held.priors(item, "q8" if item.per_family else ""))
        if not fitted:
            assert set(labels) <= {"rig one @ place"}
            family = 1 if item.per_family else None
            value = np.asarray(known.values(setting._replace(rig=""))[item.name])
            assert held.offset(item, setting, family) == pytest.approx(float(np.log(value[1] if family else value)))


def test_the_base_table_knows_nothing_of_these_coefficients_and_theirs_nothing_of_others() -> None:
    assert {row.coefficient for row in beside()} == BESIDE
    assert not {row.coefficient for row in efficiencies()} & BESIDE
    assert Efficiencies.of(beside()).informed


def test_spreads_of_users_and_drafts_rest_on_several_machines() -> None:
    told = {row.regime: row for row in spreads_beside()}
    assert set(told) == {"several_users", "speculative"}
    assert all(row.low < 0 < row.high and row.machines >= 5 for row in told.values())


def test_every_kind_of_draft_has_an_acceptance_for_every_task() -> None:
    assert len({(row.kind, row.task) for row in acceptances()}) == len(acceptances()) == 15
    assert all(row.low <= row.probability <= row.high for row in acceptances())


def test_rows_are_kept_or_left_out_with_a_reason_and_rigs_of_a_card_go_together() -> None:
    runs, reasons = load_beside()
    drafted = [run for run in runs if run.fit_row.case.draft]
    every = sum(1 for name in ("several_users.csv", "speculative.csv") for _ in table(name))
    assert sum(reasons.values()) + len(runs) >= every
    assert all(run.fit_row.case.tokens_per_step > 1 for run in drafted)
    assert {kind_of(run) for run in runs if "EPYC 7642" in run.fit_row.machine} == {"RTX 3090 | EPYC 7642"}
