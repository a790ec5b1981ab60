"""Evidence: how wrong predictions are, predicted beside measured speeds, and an article's claims checked."""

from collections.abc import Sequence

import streamlit as st

from catalog import tables as catalog_tables
from webapp import charts, controls, evidence_rows, resources, sharing, tables
from webapp.build_rows import REGIMES
from webapp.evidence_rows import Measured
from webapp.links import EvidenceState
from webapp.words import note, plain

SPEEDS = {"decode": "Writing", "prefill": "Reading"}
VERDICTS = ("supported", "contradicted", "not testable")


def page() -> None:
    """Draw the page."""
    complaints = controls.opened(EvidenceState)
    st.title("Evidence", anchor=False)
    st.markdown("How far to believe the numbers: measured on machines that the predictions have never seen.")
    for line in complaints:
        st.info(plain(line))
    st.segmented_control(
        "Speed", list(SPEEDS), key=controls.key(EvidenceState, "speed"), format_func=SPEEDS.__getitem__, required=True,
        help="Writing: tokens of the answer per second. Reading: tokens of the prompt per second.",
    )  # fmt: skip
    _intervals()
    _runs()
    _claims()


def _intervals() -> None:
    st.subheader("How wide the ranges are", anchor=False)
    state = controls.published(EvidenceState)
    rows = evidence_rows.intervals(catalog_tables.spreads(), state.speed)
    note(
        "In percent of the predicted speed, for a machine much like measured ones: nine of ten runs should lie here. "
        "From runs on machines that the fit never saw; for what fewer runs have shown, ranges are wider."
    )
    tables.show(rows, "Ranges by where the weights lie, in percent of the predicted speed")


def _runs() -> None:
    st.subheader("Predicted and measured", anchor=False)
    if not st.session_state[controls.key(EvidenceState, "runs")]:
        note("Some 3,600 measured speeds, each predicted without its machine. Once per start of the server.")
        st.button("Compare with every measured run (half a minute)", on_click=_compare)
        return
    with st.spinner("Predicting every measured run by a fit that never saw its machine", show_time=True):
        measured = resources.measured()
    _filters(measured)
    state = controls.published(EvidenceState)
    rows = evidence_rows.kept(measured, state)
    if not rows:
        st.info("No measured run passes the filters: take one of them off.")
        return
    _errors(rows)
    note("Solid line: predicted as measured. Dashed: a factor of two off. Below, the furthest off first.")
    shown = evidence_rows.table(rows)
    tables.show(shown, "Measured runs with predicted speed, range, error, date and source")
    sharing.rows("Predicted and measured speeds", shown, state, "advisor-runs")


def _errors(rows: Sequence[Measured]) -> None:
    """Errors by regime, and every run as a point."""
    errors = evidence_rows.by_regime(rows)
    note("Typical error: the median over machines of each machine's median error.")
    tables.show(errors, "Errors by where the weights lie")
    last = errors[-1]
    st.vega_lite_chart(
        charts.agreement(evidence_rows.points(rows)),
        alt=f"Predicted against measured speed of {len(rows)} runs; typical error {last['Typical error']:.0f} percent, "
        f"{last['Inside the range']:.0f} percent inside the range",
    )


def _compare() -> None:
    st.session_state[controls.key(EvidenceState, "runs")] = True


def _filters(measured: Sequence[Measured]) -> None:
    first, second, third = st.columns(3)
    options = {
        "regime": list(dict.fromkeys(row.regime for row in measured)),
        "backend": sorted({row.backend for row in measured}), "model": sorted({row.model for row in measured}),
    }  # fmt: skip
    names = {"regime": "Where the weights lie", "backend": "Engine's backend", "model": "Model"}
    for column, field in zip((first, second, third), names, strict=True):
        key = controls.key(EvidenceState, field)
        st.session_state[key] = [value for value in st.session_state[key] if value in options[field]]
        column.multiselect(
            names[field], options[field], key=key, placeholder="all",
            format_func=(lambda name: REGIMES.get(name, name)) if field == "regime" else str,
        )  # fmt: skip


def _claims() -> None:
    st.subheader("An article's claims", anchor=False)
    found = resources.claims()
    about = "What an article of 2026 on running Qwen3.6-35B-A3B at home claims, beside what is predicted here"
    note(f"{about} and what others measured. Supported: within the range, or near it for sizes and prices.")
    st.pills("Verdict", VERDICTS, selection_mode="multi", key=controls.key(EvidenceState, "verdict"))
    state = controls.published(EvidenceState)
    rows = [row for row in found if not state.verdict or row["Verdict"] in state.verdict]
    counts = ", ".join(f"{sum(row['Verdict'] == verdict for row in found)} {verdict}" for verdict in VERDICTS)
    st.markdown(plain(f"{len(found)} claims: {counts}."))
    tables.show(rows, "Claims: what is claimed, what is predicted here, the verdict, runs measured nearby and sources")
    sharing.rows("An article's claims", rows, state, "advisor-claims")
