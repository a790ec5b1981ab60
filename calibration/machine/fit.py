"""One machine's own fit: where its probes say to begin, the shifts that its runs ask for, and how far to believe them.

The same code as the fit of all machines: log residuals through the physics that predicts, the known efficiencies as
priors, shifted to what a part reached by itself where a probe told (by coefficient and quant family, "" for all).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from advisor.machines.machine import CpuSide, Machine
from advisor.physics.coefficients import COLUMNS, Efficiencies, Setting
from advisor.physics.task import FAMILIES, family_of
from advisor.physics.uncertainty import deviation_of
from calibration.fit.fitting import Fit, FitRow, fit
from calibration.fit.leaving_out import refitted
from calibration.fit.pooling import OneMachine
from calibration.probes.compute import FLOP_PER_WEIGHT, PLAIN, ComputeProbe
from calibration.probes.disk import AROUND, DiskProbe
from catalog.efficiency import Spread
from catalog.profiles import MAX_LOG_SHIFT, Correlation, DeviceFacts, Shift
from catalog.units import GB

Array = NDArray[np.float64]
DIGITS = 5
CORRELATED = 0.8
"""Shifts that go together more than this are told: the runs say less of each than of both."""
LEAST_CONFIGURATIONS = 4
MOST_ERROR = 0.30
"""Median error of configurations left out, beyond which a fit is not worth having: what the known efficiencies leave on
machines never seen (ACCURACY.md, CPU only).
"""
MOST_SPREAD = 0.25
"""Median spread of repeats beyond which a machine was too busy to be measured."""
QUANTILES = (0.05, 0.95)
UNPACK, MULTIPLY, EXPERTS = "cpu_unpack", "prefill_cpu", "prefill_cpu_expert"
"""Coefficients that the probe of ggml's products tells of."""
MOST_SHARE = 0.9
"""A link that carries more than its peak is told wrongly: shares bend below 1 (`advisor.physics.stages.reached`)."""
Shifts = dict[tuple[str, str], float]


def probed_shifts(probe: ComputeProbe, cpu: CpuSide, known: Efficiencies, setting: Setting) -> Shifts:
    """Log of what ggml's products with each family of weights reached over what is known of them.

    Of the layouts of a type that counts which is loaded: repacked where there is such. A single column at one thread is
    a decoded token, where unpacking limits; many at all threads are a prompt.
    """
    repacked = {rate.weight_type for rate in probe.rates if rate.layout != PLAIN}
    rates = [rate for rate in probe.rates if rate.layout != PLAIN or rate.weight_type not in repacked]
    tokens = [rate for rate in rates if rate.columns == 1 and rate.threads == 1 and not rate.routed]
    batches = [rate for rate in rates if rate.columns > 1 and not rate.routed]
    most = max((rate.threads for rate in batches), default=0)
    prompts = [rate for rate in batches if rate.threads == most]

    found: Shifts = {}
    for name, chosen in ((UNPACK, tokens), (MULTIPLY, prompts)):
        for rate in chosen:
            family = family_of(rate.weight_type)
            lost = rate.threads ** -_known(known, setting, "thread_loss")
            vector_bytes_s = cpu.vector_gb_s * GB * min(1.0, rate.threads / cpu.cores) * lost
            weights_s = rate.gflop_s.value * GB / FLOP_PER_WEIGHT
            found[name, family] = math.log(weights_s / vector_bytes_s / _known(known, setting, name, family))

    # Products through routed experts count as a share of those of whole matrices: of two rates probed together that
    # leaves little open, whatever the machine did meanwhile.
    whole = {rate.weight_type: rate.gflop_s.value for rate in prompts}
    for rate in rates:
        if rate.routed and rate.weight_type in whole:
            family, share = family_of(rate.weight_type), rate.gflop_s.value / whole[rate.weight_type]
            found[EXPERTS, family] = math.log(share / _known(known, setting, EXPERTS, family))
            found[EXPERTS, ""] = 0.0
    return found


def link_shifts(facts: DeviceFacts, machine: Machine, known: Efficiencies, setting: Setting) -> Shifts:
    """Log of the share that the link to the first device reached over what is known of it.

    Not of a crossing: the engine does more in one than the probe, so its runs alone tell.
    """
    share = min(facts.link_gb_s / machine.gpus[0].link_gb_s, MOST_SHARE)
    return {(name, ""): math.log(share / _known(known, setting, name)) for name in ("link_share", "prefill_link")}


def disk_shifts(probe: DiskProbe, machine: Machine, known: Efficiencies, setting: Setting) -> Shifts:
    """Log of what reads of a fault's size reach over what is known, and of the part of them that a fault in experts
    strewn over the file has use for; nothing where they were not probed.

    A probe that reads on by itself gets more by faults than by direct reads where the system reads ahead well; the
    engine does not (2026-11-29: 0.45 GB/s, where it got 0.9 and direct reads 0.58), so no more than all is of use.
    """
    rate = next((sample.value for pattern, sample in probe.rates if pattern == AROUND), None)
    if rate is None:
        return {}
    expected_gb_s = machine.storage.random_gb_s * _known(known, setting, "disk_gain")
    found = {("disk_gain", ""): math.log(rate / expected_gb_s)}
    if probe.faults:
        use = min(1.0, probe.faults.value / rate)
        found["fault_use", ""] = math.log(use / _known(known, setting, "fault_use"))
    return found


def _known(known: Efficiencies, setting: Setting, name: str, family: str = FAMILIES[0]) -> float:
    """A coefficient's value, of one quant family where it has them."""
    place = COLUMNS[name]
    return float(known.row(setting)[place.start + FAMILIES.index(family) if isinstance(place, slice) else place])


@dataclass(frozen=True, slots=True, eq=False)
class OwnFit:
    """A finished fit of one machine. Observations are ordered as the fit has them; `machine` names a configuration."""

    pooling: OneMachine
    observations: tuple[FitRow, ...]
    fit: Fit

    @property
    def shifts(self) -> tuple[Shift, ...]:
        """One for each coefficient, and for each quant family of those that have their own."""
        found = zip(self.fit.columns, self.fit.theta, self.fit.standard_error, self.fit.informed, strict=True)
        return tuple(
            Shift(
                coefficient=column.coefficient.name,
                label=column.label,
                log_value=round(float(np.clip(value, -MAX_LOG_SHIFT, MAX_LOG_SHIFT)), DIGITS),
                standard_error=round(min(float(error), MAX_LOG_SHIFT), DIGITS),
                informed=bool(informed),
            )
            for column, value, error, informed in found
        )

    def covariance(self) -> Array:
        """Of the shifts, as the runs and what was known before leave it; square, in the order of the columns."""
        problem, theta = self.fit.problem, self.fit.theta
        weights = problem.robust_weights(problem.residuals(theta))
        return np.asarray(np.linalg.inv(problem.normal(problem.jacobian(theta), weights)))

    def correlations(self) -> tuple[Correlation, ...]:
        """Pairs of informed shifts that the runs could not tell apart well, the worst first."""
        covariance = self.covariance()
        error = np.sqrt(np.diag(covariance))
        matrix = covariance / np.outer(error, error)
        names = ["/".join(filter(None, (item.coefficient.name, item.label))) for item in self.fit.columns]
        places = np.flatnonzero(self.fit.informed)
        pairs = [(i, j) for n, i in enumerate(places) for j in places[n + 1 :] if abs(matrix[i, j]) > CORRELATED]
        pairs.sort(key=lambda pair: -abs(matrix[pair]))
        return tuple(
            Correlation(first=names[i], second=names[j], value=round(float(matrix[i, j]), 3)) for i, j in pairs[:200]
        )


def fit_own(observations: Sequence[FitRow], pooling: OneMachine) -> OwnFit:
    """Fit one machine's shifts to its runs."""
    ordered = tuple(sorted(observations, key=lambda item: item.kind))
    return OwnFit(pooling, ordered, fit(ordered, None, pooling))


@dataclass(frozen=True, slots=True)
class OwnError:
    """log(predicted / measured) of a run, predicted by a fit of all other configurations."""

    observation: FitRow
    log_ratio: float

    @property
    def predicted_tok_s(self) -> float:
        """What that fit predicted."""
        return self.observation.tok_s * float(np.exp(self.log_ratio))


def left_out_errors(own: OwnFit) -> list[OwnError]:
    """Each configuration predicted by a fit without it (`calibration.fit.leaving_out.refitted`).

    Of 93 configurations each takes 0.2 s on one core of a virtual Xeon (2026-11-29).
    """
    names = np.array([item.machine for item in own.observations])
    outs = [np.flatnonzero(names == name) for name in np.unique(names)]
    if len(outs) < 2:
        return []
    found: list[OwnError] = []
    for out in outs:
        ratios = -own.fit.problem.residuals(refitted(own.fit, out).theta)[out]
        found += [OwnError(own.observations[place], float(ratio)) for place, ratio in zip(out, ratios, strict=True)]
    return found


def against(measured: Sequence[FitRow], errors: Sequence[OwnError]) -> Iterator[OwnError]:
    """The same predictions compared with what was measured, of which the fit saw the same runs at another level."""
    found = {(item.machine, item.kind): item for item in measured}
    for error in errors:
        item = found[error.observation.machine, error.observation.kind]
        yield OwnError(item, error.log_ratio + math.log(error.observation.tok_s / item.tok_s))


def spreads_of(errors: Sequence[OwnError], source: str, as_of: date) -> Iterator[Spread]:
    """Quantiles of what the fit got wrong, by kind of speed and regime, where there are runs enough to tell: those
    between which one more run lies, of few runs the least and the most. Source: Hyndman and Fan, "Sample quantiles in
    statistical packages", 1996, definition 6.
    """
    groups: dict[tuple[str, str], list[float]] = {}
    for item in errors:
        regime = item.observation.case.regime
        deviation = deviation_of(item.observation.kind, regime, 0.0)
        groups.setdefault((item.observation.kind, regime), []).append(-item.log_ratio / deviation)
    for (kind, regime), ratios in sorted(groups.items()):
        if len(ratios) < LEAST_CONFIGURATIONS:
            continue
        low, high = (float(bound) for bound in np.quantile(ratios, QUANTILES, method="weibull"))
        yield Spread(
            speed=kind, regime=regime, rows=len(ratios), machines=1, source=source, as_of=as_of,
            low=round(min(low, 0.0), DIGITS), high=round(max(high, 0.0), DIGITS),
        )


def faults_of(own: OwnFit, errors: Sequence[OwnError]) -> list[str]:
    """Why a fit is not to be used; none for one that is."""
    found = []
    configurations = len({item.machine for item in own.observations})
    if configurations < LEAST_CONFIGURATIONS:
        found.append(f"only {configurations} configurations were measured, {LEAST_CONFIGURATIONS} are needed")
    for kind in ("decode", "prefill"):
        apes = [abs(np.expm1(item.log_ratio)) for item in errors if item.observation.kind == kind]
        if apes and np.median(apes) > MOST_ERROR:
            found.append(
                f"{kind} speeds left out are predicted {np.median(apes):.0%} wrong, more than {MOST_ERROR:.0%}"
            )
    noise = float(np.median([item.noise or 0.0 for item in own.observations]))
    if noise > MOST_SPREAD:
        found.append(f"repeats differ by {noise:.0%}: other programs were running, or the processor was throttled")
    if not np.isfinite(own.fit.theta).all():
        found.append("the fit did not converge")
    return found
