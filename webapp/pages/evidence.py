"""Evidence: how wrong predictions are, predicted beside measured speeds, and an article's claims checked."""

import math
from collections.abc import Iterable, Sequence
from statistics import median

import streamlit as st

from advisor.physics.uncertainty import deviation_of
from catalog import tables as catalog_tables
from catalog.efficiency import Spread
from webapp import charts, controls, resources, tables
from webapp.build_rows import PLACES, Row, address
from webapp.links import EvidenceState
from webapp.resources import Measured
from webapp.words import note, plain

SPEEDS = {"decode": "Writing", "prefill": "Reading"}
VERDICTS = ("supported", "contradicted", "not testable")
ALL = "all together"
WHAT = {
    "weights_gb": "size of the model", "vram_floor_gb": "least VRAM", "ram_floor_gb": "least RAM",
    "decode_tok_s": "writes", "prefill_tok_s": "reads", "max_context_tokens": "longest context",
    "price_used": "price, used", "price": "price, new", "slowdown_fraction": "slower by", "load_time_s": "loads in",
    "decode_tok_s_first": "writes at first", "decode_tok_s_steady": "writes in the end",
    "speedup_fraction": "faster by", "throughput_factor": "serves more by",
}
"""The metrics of the claims table in words."""


def page() -> None:
    """Draw the page."""
    about = "How far to believe the numbers: measured on machines that the predictions have never seen."
    controls.opened(EvidenceState, "Evidence", about)
    st.segmented_control(
        "Speed", list(SPEEDS), key=controls.key(EvidenceState, "speed"), format_func=SPEEDS.__getitem__, required=True,
        help="Writing: tokens of the answer per second. Reading: tokens of the prompt per second.",
    )
    _intervals()
    _runs()
    _claims()


def _intervals() -> None:
    st.subheader("How wide the ranges are", anchor=False)
    state = controls.published(EvidenceState)
    rows = intervals(catalog_tables.spreads(), state.speed)
    note(
        "In percent of the predicted speed, for a machine much like measured ones: nine of ten runs should lie here. "
        "From runs on machines that the fit never saw; for what fewer runs have shown, ranges are wider."
    )
    tables.show(rows, "Ranges by where the weights lie, in percent of the predicted speed")


def _runs() -> None:
    st.subheader("Predicted and measured", anchor=False)
    if not st.session_state[controls.key(EvidenceState, "runs")]:
        note("Some 3,600 measured speeds, each predicted without its machine. Once per start of the server.")
        wanted = {controls.key(EvidenceState, "runs"): True}
        st.button(
            "Compare with every measured run (half a minute)", on_click=st.session_state.update, args=(wanted,)
        )
        return
    with st.spinner("Predicting every measured run by a fit that never saw its machine", show_time=True):
        measured = resources.measured()
    _filters(measured)
    state = controls.published(EvidenceState)
    rows = passing(measured, state)
    if not rows:
        st.info("No measured run passes the filters: take one of them off.")
        return
    errors = by_regime(rows)
    last = errors[-1]
    note("Typical error: the median over machines of each machine's median error.")
    tables.show(errors, "Errors by where the weights lie")
    st.vega_lite_chart(
        charts.agreement(points(rows)),
        alt=f"Predicted against measured speed of {len(rows)} runs; typical error {last['Typical error']:.0f} percent, "
        f"{last['Inside the range']:.0f} percent inside the range",
    )
    note("Solid line: predicted as measured. Dashed: a factor of two off. Below, the furthest off first.")
    shown = listed(rows)
    tables.show(shown, "Measured runs with predicted speed, range, error, date and source")
    controls.share_rows("Predicted and measured speeds", shown, state, "advisor-runs")


def _filters(measured: Sequence[Measured]) -> None:
    first, second, third = st.columns(3)
    options = {
        "regime": list(dict.fromkeys(row.regime for row in measured)),
        "backend": sorted({row.backend for row in measured}), "model": sorted({row.model for row in measured}),
    }
    names = {"regime": "Where the weights lie", "backend": "Engine's backend", "model": "Model"}
    for column, field in zip((first, second, third), names, strict=True):
        key = controls.key(EvidenceState, field)
        st.session_state[key] = [value for value in st.session_state[key] if value in options[field]]
        column.multiselect(
            names[field], options[field], key=key, placeholder="all",
            format_func=(lambda name: PLACES.get(name, name)) if field == "regime" else str,
        )


def _claims() -> None:
    st.subheader("An article's claims", anchor=False)
    found = [
        {
            "Claim": row["claim"], "On": row["on"], "What": WHAT.get(row["what"], row["what"]),
            "Claimed": row["claimed"], "Here": row["here"], "Verdict": row["verdict"],
            "Measured nearby": row["measured nearby"], "Link": address(row["sources"]), "Sources": row["sources"],
        }
        for row in resources.claims()
    ]
    about = "What an article of 2026 on running Qwen3.6-35B-A3B at home claims, beside what is predicted here"
    note(f"{about} and what others measured. Supported: within the range, or near it for sizes and prices.")
    st.pills("Verdict", VERDICTS, selection_mode="multi", key=controls.key(EvidenceState, "verdict"))
    state = controls.published(EvidenceState)
    rows = [row for row in found if not state.verdict or row["Verdict"] in state.verdict]
    counts = ", ".join(f"{sum(row['Verdict'] == verdict for row in found)} {verdict}" for verdict in VERDICTS)
    st.markdown(plain(f"{len(found)} claims: {counts}."))
    tables.show(rows, "Claims: what is claimed, what is predicted here, the verdict, runs measured nearby and sources")
    controls.share_rows("An article's claims", rows, state, "advisor-claims")


def intervals(spreads: Iterable[Spread], speed: str) -> list[Row]:
    """How far real runs lie from the prediction on machines never fitted but much like measured ones, by regime: the
    shipped table in words.
    """
    found = []
    for row in sorted(spreads, key=lambda row: -row.rows):
        if row.speed == speed and row.regime != "all":
            deviation = deviation_of(row.speed, row.regime, novelty=0.0)
            low, high = (math.exp(deviations * deviation) * 100 for deviations in (row.low, row.high))
            found.append({
                "Where the weights lie": PLACES.get(row.regime, ALL), "Slowest of 9 in 10": low,
                "Fastest of 9 in 10": high, "Runs": row.rows, "Machines": row.machines, "As of": row.as_of,
            })
    return found


def passing(rows: Sequence[Measured], state: EvidenceState) -> list[Measured]:
    """The runs that the filters of a view leave."""
    return [
        row for row in rows
        if row.kind == state.speed and (not state.regime or row.regime in state.regime)
        and (not state.backend or row.backend in state.backend) and (not state.model or row.model in state.model)
    ]


def by_regime(rows: Sequence[Measured]) -> list[Row]:
    """Errors by where the weights lie, all of them last."""
    groups = _grouped(rows, "regime")
    ordered = sorted(groups.items(), key=lambda item: -len(item[1])) + ([("", list(rows))] if rows else [])
    found = []
    for regime, of in ordered:
        machines = _grouped(of, "machine").values()
        found.append({
            "Where the weights lie": PLACES.get(regime, regime) or ALL, "Runs": len(of), "Machines": len(machines),
            "Typical error": median(median(row.error for row in alike) for alike in machines) * 100,
            "Within 20 %": sum(row.error <= 0.2 for row in of) / len(of) * 100,
            "Inside the range": sum(row.low <= row.measured <= row.high for row in of) / len(of) * 100,
        })
    return found


def _grouped(rows: Sequence[Measured], field: str) -> dict[str, list[Measured]]:
    groups: dict[str, list[Measured]] = {}
    for row in rows:
        groups.setdefault(getattr(row, field), []).append(row)
    return groups


def points(rows: Sequence[Measured]) -> list[Row]:
    """Points of the chart."""
    return [
        {
            "measured": row.measured, "predicted": row.predicted, "regime": PLACES.get(row.regime, row.regime),
            "machine": row.machine, "model": f"{row.model} {row.quant}",
            "inside": "inside the range" if row.low <= row.measured <= row.high else "outside",
        }
        for row in rows
    ]


def listed(rows: Sequence[Measured]) -> list[Row]:
    """The runs, furthest off first."""
    return [
        {
            "Machine": row.machine, "Model": f"{row.model} {row.quant}", "Where": PLACES.get(row.regime, row.regime),
            "Measured": row.measured, "Predicted": row.predicted, "Low": row.low, "High": row.high,
            "Error": row.error * 100, "Date": row.as_of, "Link": address(row.source), "Source": row.source,
        }
        for row in sorted(rows, key=lambda row: -row.error)
    ]
