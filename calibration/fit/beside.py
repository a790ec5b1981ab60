"""The fit of what the base fit leaves alone: several users, drafts, and GPUs that share layers.

`python -m calibration beside` fits the coefficients of `advisor.physics.coefficients.BESIDE` to the runs of users and
drafts and to those of stated split modes, with all other coefficients held as they are shipped; each pair or source has
levels of its own, as rigs have in the base fit. The tables are catalog/data/beside.csv and
spreads_beside.csv, the latter of errors by fits that never saw the machine.
"""

import math
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain

import numpy as np
from scipy.stats import t as student

from advisor.machines.from_parts import machine_of
from advisor.physics.coefficients import BESIDE, RIG_LABEL, Coefficient, Efficiencies, Setting, labels_of
from advisor.physics.uncertainty import HIGH, LOW, deviation_of
from advisor.prediction.case import Case, asked_of, cases_of
from advisor.question import Scenario, Speculative
from calibration.fit.evidence import (
    DIVIDED,
    DRAFTED,
    Row,
    corrected,
    machine_key,
    measured_run,
    reason_to_leave_out,
    table,
)
from calibration.fit.evidence import rows as plain_rows
from calibration.fit.fitting import Fit, FitRow, fit
from calibration.fit.leaving_out import novelties, refitted
from calibration.fit.pooling import ALL_MACHINES
from calibration.fit.tables import DIGITS, effects_of
from catalog import tables
from catalog.efficiency import Effect, Spread

TABLES = ("several_users.csv", "speculative.csv")
NOISE, UNSAID_NOISE = 0.10, 0.2
"""Deviation of log speed between runs of one pair that a good fit leaves; where the acceptance is not said."""
CROWDING = 0.35
"""A run's noise grows with this power of the runs of its machine: a few machines have most of the rows."""
SOURCE = "fit of several_users.csv, speculative.csv and split modes by `python -m calibration beside`"
RIG_LEVELS = ("gpu_level", "cpu_level")
"""Levels that each pair has of its own: what its runs have in common cancels in their ratio."""
LOTS = 10
"""Lots of machines that are left out together."""
BENCH = "llama-batched-bench"
"""It decodes for several users without choosing their tokens."""
MODES = (
    ("tensor", re.compile(r"-sm tensor|split[- ]mode tensor|tensor[- ]split mode|tensor split|tensor parallel")),
    ("row", re.compile(r"-sm row|split-mode row|sm=row|row split|split mode row")),
    ("graph", re.compile(r"-sm graph|split-mode graph|graph split|split mode graph|split graph")),
    ("layer", re.compile(r"-sm layer|layer split|split mode layer")),
)
APPLE_KINDS = ("k", "k_low", "four", "iq_low")
APPLE_ROW_COST = 1.8
"""Of quants of blocks in blocks each further row costs Apple's GPUs so many times as much as of others: with two
drafted tokens a dense model then gains 1.03 at the median of their machines, which is what was measured where NVIDIA's
cards gained 1.9 (design notes, section 10); no pair of theirs is in the tables.
"""
KINDS = (("mtp", "mtp"), ("eagle", "eagle3"), ("ngram", "ngram"), ("dflash", "dflash"), ("draft", "draft_model"))
PLAIN = frozenset({"", "none", "off", "plain"})


def split_mode_of(row: Row) -> str | None:
    """The split mode that a row's note states."""
    note = f"{row['offload_note']} {row['engine']}".lower()
    return next((mode for mode, words in MODES if words.search(note)), None)


def speculative_of(row: Row) -> Speculative | None:
    """The drafting of a row, None without."""
    word = row.get("draft", "").strip().lower()
    kind = next((kind for mark, kind in KINDS if mark in word), None)
    if word in PLAIN or kind is None:
        return None
    ends = [float(text) for text in re.findall(r"\d*\.?\d+", row.get("acceptance", ""))]
    said = statistics.fmean(ends) if ends and max(ends) <= 1 else None
    number = row.get("draft_n_max", "")
    return Speculative.model_validate({"kind": kind, "max_tokens": int(float(number)) if number else None,
                                       "acceptance": said})


def users_of(row: Row) -> int:
    """How many wrote at once."""
    return max(1, int(float(row.get("parallel", "") or 1)))


def speed_of(row: Row) -> float | None:
    """Decode of one user in tok/s."""
    users = users_of(row)
    each, together = row.get("per_user_tok_s", ""), row.get("aggregate_tok_s", "") or row["decode_tok_s"]
    if users > 1 and each:
        return float(each)
    return float(together) / users if together else None


@dataclass(frozen=True, slots=True, eq=False)
class BesideRun:
    """A run of several users, of drafts, or of a stated split mode, and what it is compared with."""

    fit_row: FitRow
    pair: str
    """Runs with one name are arms of one comparison."""
    compared: bool
    """Whether that has a plain arm: without one a level of its own takes all that a draft costs."""

    @property
    def tells(self) -> bool:
        """Whether it, or another of its pair, has a use for the coefficients."""
        case = self.fit_row.case
        return self.compared if case.draft else bool(self.pair) or case.divided or case.users > 1


def scenario_of(row: Row) -> Scenario:
    """A row as a question."""
    plain = measured_run(row).scenario
    engine = plain.engine.model_copy(update={"speculative": speculative_of(row), "split_mode": split_mode_of(row)})
    workload = plain.workload.model_copy(update={"users": users_of(row)})
    return plain.model_copy(update={"engine": engine, "workload": workload})


def _rows() -> Iterator[Row]:
    """Rows of users and drafts, and those of all tables whose split mode is stated, with several cards."""
    yield from (corrected(row) for name in TABLES for row in table(name))
    yield from (
        row
        for row in plain_rows()
        if split_mode_of(row) and ("+" in row["gpu"] or row["gpu_count"] not in ("", "0", "1"))
    )


def load_beside() -> tuple[list[BesideRun], Counter[str]]:
    """The runs that can be compared, and why others are left out."""
    kept: list[tuple[Row, Scenario]] = []
    reasons: Counter[str] = Counter()
    for row in _rows():
        reason = reason_to_leave_out(row, (DRAFTED, DIVIDED)) or _reason(row)
        if reason:
            reasons[reason] += 1
        else:
            kept.append((row, scenario_of(row)))
    asked = []
    for row, scenario in kept:
        try:
            there = machine_of(scenario.hardware, scenario.engine.backend)
            asked.append((row, asked_of(scenario, machine=there)))
        except ValueError as error:
            reasons[str(error)[:60]] += 1
    cases = cases_of([item for _, item in asked])
    counts = Counter(machine_key(case) for case in cases)
    plain = {row.get("pair_id", "") for (row, _), case in zip(asked, cases, strict=True) if not case.draft} - {""}
    found = [
        BesideRun(_observed(row, case, counts[machine_key(case)]), pair := row.get("pair_id", ""), pair in plain)
        for (row, _), case in zip(asked, cases, strict=True) if case.runs
    ]
    return found, reasons


def _reason(row: Row) -> str | None:
    drafting = row.get("draft", "").strip().lower() not in PLAIN
    asked = speculative_of(row)
    if drafting and asked is None:
        return "a kind of drafting that is not known"
    if asked and asked.max_tokens is None:
        return "it is not said how many tokens were drafted"
    if users_of(row) > float(row.get("slots") or math.inf):
        return "more users than the server had slots: the others waited for the first"
    return None if speed_of(row) else "no speed of writing"


def _observed(row: Row, case: Case, of_machine: int) -> FitRow:
    key, asked = machine_key(case), case.scenario.engine.speculative
    rig = f"{key} @ {row.get('pair_id') or row['source_url']}"
    case = replace(case, setting=case.setting._replace(rig=rig), chooses=BENCH not in row["offload_note"])
    noise = (UNSAID_NOISE if asked and asked.acceptance is None else NOISE) * of_machine**CROWDING
    return FitRow(case, "decode", speed_of(row) or 0.0, key, noise=noise, author=row["source_url"])


@dataclass(frozen=True, eq=False)
class Held:
    """All coefficients held as they are known, but those of `BESIDE` and the levels of rigs."""

    known: Efficiencies
    robust_from: float = 1.0

    def labels(self, item: Coefficient, setting: Setting, family: str) -> tuple[str, ...]:
        """Of those that are fitted all, of others the rig's."""
        found = labels_of(item, setting, family)
        own = RIG_LABEL.format(rig=setting.rig)
        return found if item.name in BESIDE else (own,) if item.name in RIG_LEVELS else ()

    def priors(self, item: Coefficient, family: str) -> Sequence[tuple[float, float]]:
        """As all machines have them."""
        of_all = ALL_MACHINES.priors(item, family)
        rigs = [(0.0, deviation) for label, deviation in item.pools if label == RIG_LABEL]
        return of_all if item.name in BESIDE else rigs if item.name in RIG_LEVELS else ()

    def offset(self, item: Coefficient, setting: Setting, family: int | None) -> float:
        """What is known of those that are held."""
        if item.name in BESIDE:
            return 0.0
        value = self.known.values(setting._replace(rig=""))[item.name]
        return float(np.log(value if family is None else np.asarray(value)[family]))


def base_efficiencies() -> Efficiencies:
    """The shipped coefficients without those that are fitted here."""
    return Efficiencies.of(row for row in tables.efficiencies() if row.coefficient not in BESIDE)


def fitted_beside(runs: Sequence[BesideRun]) -> Fit:
    """The coefficients of `BESIDE` fitted to the runs that have a use for them and the plain ones of their pairs."""
    return fit([run.fit_row for run in runs if run.tells], pooling=Held(base_efficiencies()))


def with_effects(known: Efficiencies, found: Fit) -> Efficiencies:
    """What is known, with what was fitted beside it."""
    more = found.efficiencies()
    mine = {key: value for key, value in more.effects.items() if key[0] in BESIDE}
    told = frozenset(key for key in more.informed if key[0] in BESIDE)
    return Efficiencies({**known.effects, **mine}, known.informed | told)


@dataclass(frozen=True, slots=True, eq=False)
class BesideError:
    """log(predicted / measured) of a run by a fit that never saw its machine, and how novel it was to that."""

    run: BesideRun
    log_ratio: float
    novelty: float


def kind_of(run: BesideRun) -> str:
    """The machine of a run, one or several of its cards alike."""
    cards, _, cpu = run.fit_row.machine.rpartition(" | ")
    return f"{' + '.join(sorted(set(cards.split(' + '))))} | {cpu}"


def errors_beside(whole: Fit, runs: Sequence[BesideRun]) -> list[BesideError]:
    """Errors of all runs, predicted without their machine; several machines are left out together."""
    told = [kind_of(run) for run in runs if run.tells]
    machines = sorted({kind_of(run) for run in runs})
    found: list[BesideError] = []
    for lot in range(LOTS):
        out = machines[lot::LOTS]
        places = np.flatnonzero(np.isin(told, out))
        efficiencies = with_effects(base_efficiencies(), refitted(whole, places) if len(places) else whole)
        asked = [run for run in runs if kind_of(run) in out]
        found += [BesideError(run, *error) for run, error in zip(asked, predicted(asked, efficiencies), strict=True)]
    return found


def predicted(runs: Sequence[BesideRun], efficiencies: Efficiencies) -> list[tuple[float, float]]:
    """log(predicted / measured) and novelty of runs."""
    cases = [replace(run.fit_row.case, setting=run.fit_row.case.setting._replace(rig="")) for run in runs]
    seconds, novelty = novelties(cases, efficiencies)
    logs = [
        float(np.log(case.tokens_per_step / step_s / run.fit_row.tok_s))
        for case, step_s, run in zip(cases, seconds, runs, strict=True)
    ]
    return list(zip(logs, novelty.tolist(), strict=True))


def gains(errors: Sequence[BesideError]) -> dict[str, list[tuple[float, float]]]:
    """Predicted and measured gain of each drafted run over the plain one of its pair, by machine."""
    plain = {item.run.pair: item for item in errors if item.run.pair and not item.run.fit_row.case.draft}
    found: dict[str, list[tuple[float, float]]] = {}
    for item in errors:
        base = plain.get(item.run.pair)
        if base and item.run.fit_row.case.draft:
            measured = item.run.fit_row.tok_s / base.run.fit_row.tok_s
            found.setdefault(item.run.fit_row.machine, []).append(
                (measured * float(np.exp(item.log_ratio - base.log_ratio)), measured)
            )
    return found


def spreads_beside(errors: Sequence[BesideError], as_of: date) -> list[Spread]:
    """Quantiles of log(measured / predicted) of several users and of drafts, in predicted deviations; each machine
    counts alike. Of a few kinds of machines quantiles say too little: the range is no narrower than that of one more.
    """
    found = []
    for mode in ("several_users", "speculative"):
        of = [item for item in errors if item.run.fit_row.case.mode == mode]
        counts = Counter(item.run.fit_row.machine for item in of)
        ratios = np.array([
            -item.log_ratio / deviation_of("decode", item.run.fit_row.case.regime, item.novelty) for item in of
        ])
        weights = np.array([1 / counts[item.run.fit_row.machine] for item in of])
        order = np.argsort(ratios)
        shares = (np.cumsum(weights[order]) - weights[order] / 2) / weights.sum()
        kinds: dict[str, list[float]] = {}
        for item, ratio in zip(of, ratios.tolist(), strict=True):
            kinds.setdefault(kind_of(item.run), []).append(ratio)
        least, most = _of_another([statistics.median(some) for some in kinds.values()])
        low, high = (float(np.interp(share, shares, ratios[order])) for share in (LOW, HIGH))
        low, high = min(low, least), max(high, most)
        found.append(
            Spread(
                speed="decode",
                regime=mode,
                low=round(min(low, 0.0), DIGITS),
                high=round(max(high, 0.0), DIGITS),
                rows=len(of),
                machines=len(counts),
                source=SOURCE,
                as_of=as_of,
            )
        )
    return found


def _of_another(found: Sequence[float]) -> tuple[float, float]:
    """Where one more of a normal sample lies, as often as a range is to hold: Student's t with the sample's own
    deviation. Nothing is said by fewer than two.

    >>> [round(end, 2) for end in _of_another([-0.2, 0.0, 0.2])]
    [-0.67, 0.67]
    """
    if len(found) < 2:
        return 0.0, 0.0
    middle, scale = statistics.fmean(found), statistics.stdev(found) * math.sqrt(1 + 1 / len(found))
    low, high = (middle + float(student.ppf(share, len(found) - 1)) * scale for share in (LOW, HIGH))
    return low, high


def effects_beside(found: Fit, as_of: date) -> list[Effect]:
    """Rows of the table of these coefficients."""
    rows = {row.label: row for row in effects_of(found, as_of, beside=True) if row.coefficient == "row_cost"}
    first = next(iter(rows.values()))
    apple = {
        f"metal/{kind}": first.model_copy(update={
            "label": f"metal/{kind}", "log_value": round(float(np.log(APPLE_ROW_COST)), DIGITS), "standard_error": 0.3,
            "prior": 0.0, "prior_deviation": 0.3, "informed": False,
            "source": "design notes, section 10: drafts gained 1.03 on Apple at the median",
        })
        for kind in APPLE_KINDS
    }
    fitted = [row.model_copy(update={"source": SOURCE}) for row in effects_of(found, as_of, beside=True)]
    kept = [row for row in fitted if row.coefficient != "row_cost" or row.label not in apple]
    return sorted([*kept, *apple.values()], key=lambda row: (row.coefficient, row.label))


def figures(errors: Sequence[BesideError]) -> dict[str, float]:
    """The figures that users, drafts and split modes are judged by; "balanced": the median of the machines' medians."""
    told: dict[str, float] = {}
    groups: Mapping[str, list[BesideError]] = {
        "several_users": [item for item in errors if item.run.fit_row.case.mode == "several_users"],
        "speculative": [item for item in errors if item.run.fit_row.case.mode == "speculative"],
        "divided": [item for item in errors if item.run.fit_row.case.divided and not item.run.fit_row.case.mode],
        "layer": [item for item in errors if not item.run.pair and not item.run.fit_row.case.divided],
    }
    for name, group in groups.items():
        by: dict[str, list[float]] = {}
        for item in group:
            by.setdefault(item.run.fit_row.machine, []).append(abs(float(np.expm1(item.log_ratio))))
        if by:
            told[f"{name} rows"], told[f"{name} machines"] = len(group), len(by)
            told[f"{name} balanced"] = statistics.median(map(statistics.median, by.values()))
            told[f"{name} bias"] = statistics.median(item.log_ratio for item in group)
    pairs = gains(errors)
    apes = [[abs(said / measured - 1) for said, measured in found] for found in pairs.values()]
    told["gain balanced"] = statistics.median(map(statistics.median, apes))
    every = [*chain.from_iterable(pairs.values())]
    told["gain pairs"] = len(every)
    told["gain or loss right"] = statistics.fmean((said > 1) == (measured > 1) for said, measured in every)
    return told
