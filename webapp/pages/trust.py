"""Why trust it: predictions beside what others measured on machines that the fit had never seen."""

from collections.abc import Sequence

import streamlit as st

from catalog import tables as catalog_tables
from webapp import agreement, cards, charts, controls, resources, tables
from webapp.agreement import Measured
from webapp.build_rows import PLACES, address
from webapp.described import article_builds
from webapp.links import BuildState, TrustState
from webapp.words import note, plain

SPEEDS = {"decode": "Writing", "prefill": "Reading"}
VERDICTS = ("supported", "contradicted", "not testable")
DRAWN = 1500
"""Points of the chart: more are drawn over each other, and make the page slow."""
WORST = 8
WHAT = {
    "weights_gb": "size of the model", "vram_floor_gb": "least VRAM", "ram_floor_gb": "least RAM",
    "decode_tok_s": "writes", "prefill_tok_s": "reads", "max_context_tokens": "longest context",
    "price_used": "price, used", "price": "price, new", "slowdown_fraction": "slower by", "load_time_s": "loads in",
    "decode_tok_s_first": "writes at first", "decode_tok_s_steady": "writes in the end",
    "speedup_fraction": "faster by", "throughput_factor": "serves more by",
}
"""The metrics of the claims table in words."""
CHECK = "advisor accuracy"


def page() -> None:
    """Draw the page."""
    controls.opened(TrustState, "Why trust it")
    every = resources.measured()
    speed = str(st.session_state[controls.key(TrustState, "speed")])
    of_kind = [row for row in every if row.kind == speed]
    _headline(of_kind, speed)
    state = controls.published(TrustState)
    shown = passing(of_kind, state)
    with st.container(key="scatter"):
        st.vega_lite_chart(
            charts.agreement(agreement.points(thinned(shown))),
            alt=f"Predicted against measured speed of {len(shown)} runs, {_inside(shown):.0%} of them inside the range",
        )
    note("Solid line: predicted as measured. Dashed: twice or half. Crosses lie outside their range.")
    _card(of_kind, state)
    _kinds(of_kind, state)
    _worst(of_kind)
    _beforehand()
    _claims(state)


def passing(rows: Sequence[Measured], state: TrustState) -> list[Measured]:
    """The runs that the filters of a view leave."""
    return [
        row for row in rows
        if (not state.regime or row.regime in state.regime) and (not state.model or row.model in state.model)
    ]


def thinned(rows: Sequence[Measured]) -> Sequence[Measured]:
    """At most `DRAWN` of the rows, evenly; those outside their range all stay."""
    if len(rows) <= DRAWN:
        return rows
    outside = [row for row in rows if not row.inside]
    inside = [row for row in rows if row.inside]
    step = max(1, -(-len(inside) // max(1, DRAWN - len(outside))))
    return [*inside[::step], *outside]


def _inside(rows: Sequence[Measured]) -> float:
    return agreement.headline(rows).inside


def _headline(rows: Sequence[Measured], speed: str) -> None:
    told = agreement.headline(rows)
    what = "writing" if speed == "decode" else "reading"
    st.markdown(
        f"**Predicted for {told.machines} machines that it had never seen: half of the {what} speeds within "
        f"{told.typical_error:.0%}, {told.inside:.0%} inside the stated range.**\n\n"
        + plain(
            f"{told.rows:,} speeds that other people measured and published, each predicted after its machine, with "
            "all its runs, was taken out of what the formulas were fitted to. A range is meant to hold 90 %. To check "
            "it yourself:"
        )
        + f" `{CHECK}`"
    )
    left, middle, right = st.columns([2, 3, 3], vertical_alignment="bottom")
    left.segmented_control(
        "Speed", list(SPEEDS), key=controls.key(TrustState, "speed"), format_func=SPEEDS.__getitem__, required=True,
        help="Writing: tokens of the answer per second. Reading: tokens of the prompt per second.",
    )
    options = {
        "regime": list(dict.fromkeys(row.regime for row in rows)), "model": sorted({row.model for row in rows}),
    }
    names = {"regime": "Where the model lies", "model": "Model"}
    for column, field in ((middle, "regime"), (right, "model")):
        key = controls.key(TrustState, field)
        st.session_state[key] = [value for value in st.session_state[key] if value in options[field]]
        column.multiselect(
            names[field], options[field], key=key, placeholder="all",
            format_func=(lambda name: PLACES.get(name, name)) if field == "regime" else str,
        )


def _card(rows: Sequence[Measured], state: TrustState) -> None:
    """Every run of one card or machine."""
    st.subheader("Your card's own runs", anchor=False)
    groups = agreement.cards_of(rows)
    counted = {name: f"{name} ({len(of)})" for name, of in groups.items()}
    controls.choose(
        TrustState, "card", "Card or machine", ("", *groups),
        format_func=lambda name: counted.get(name, name) or "choose one of those that were measured",
    )
    if not state.card:
        return
    of = groups.get(state.card, [])
    if not of:
        st.info(plain(f"Nobody published a run on {state.card} that could be used here: its ranges are the widest."))
        return
    told = agreement.headline(of)
    st.html(cards.seal("this card", len(of)))
    note(
        f"{state.card}: half of its runs within {told.typical_error:.0%}, {told.inside:.0%} inside the range; "
        "predicted without any of them. The furthest off first."
    )
    shown = agreement.listed(of)
    tables.show(shown, f"Measured runs of {state.card} with predicted speed, range, error, date and source")
    controls.share_rows(f"Predicted and measured on {state.card}", shown, state, "advisor-card")


def _kinds(rows: Sequence[Measured], state: TrustState) -> None:
    st.subheader("By where the model lies", anchor=False)
    note("Typical error: the median over machines of each machine's median error.")
    tables.html(agreement.by_regime(rows), "Errors by where the model lies")
    with st.expander("How wide the ranges are"):
        note("In percent of the predicted speed, for a machine much like measured ones: nine of ten runs lie here.")
        spreads = agreement.intervals(catalog_tables.spreads(), state.speed)
        tables.html(spreads, "Ranges by where the model lies, in percent of the predicted speed")


def _worst(rows: Sequence[Measured]) -> None:
    st.subheader("The worst misses", anchor=False)
    note("What we got most wrong, by predicted over measured speed: of each model on a machine the worst run.")
    shown = agreement.listed(rows)
    worst: dict[tuple[str, str], dict[str, object]] = {}
    for row in shown:
        worst.setdefault((row["Machine"], row["Model"]), row)
    tables.html([*worst.values()][:WORST], "The predictions that were furthest off, with sources")
    controls.share_rows("Predicted and measured speeds", shown, controls.current(TrustState), "advisor-runs")


def _beforehand() -> None:
    """Predictions that were written down before anybody measured: worked out once unfolded."""
    fold = st.expander("Predicted before anybody measured", key="beforehand", on_change="rerun")
    if not fold.open:
        return
    with fold:
        with st.spinner("Looking for runs that came in since", show_time=True):
            rows = resources.registered()
        came = sum("nobody yet" not in (row["Measured writing"], row["Measured reading"]) for row in rows)
        since = f"Of {came} of them measurements have come in since, which stand beside them." if came else (
            "No measurement of any of them has come in yet."
        )
        note(
            f"{len(rows)} predictions of cards and models without a run in the evidence on the day that each names; "
            f"they are never changed. {since}"
        )
        st.html(tables.table(rows, {}, "Predictions written down before anybody measured, and what was measured since"))
        state = controls.current(TrustState)
        controls.share_rows("Predicted before anybody measured", rows, state, "advisor-beforehand")


def _claims(state: TrustState) -> None:
    """What an article claimed: drawn once unfolded, or where the link asks for it."""
    st.session_state.setdefault("claims", bool(state.verdict))
    fold = st.expander("An article's claims, checked", key="claims", on_change="rerun")
    if not fold.open:
        return
    with fold:
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
        st.pills("Verdict", VERDICTS, selection_mode="multi", key=controls.key(TrustState, "verdict"))
        rows = [row for row in found if not state.verdict or row["Verdict"] in state.verdict]
        counts = ", ".join(f"{sum(row['Verdict'] == verdict for row in found)} {verdict}" for verdict in VERDICTS)
        st.markdown(plain(f"{len(found)} claims: {counts}."))
        tables.show(rows, "Claims: what is claimed, what is predicted here, the verdict, runs nearby and sources")
        controls.share_rows("An article's claims", rows, state, "advisor-claims")
        for build in article_builds():
            asked = BuildState(build=build.text, model=build.model, quant=build.quant, context=build.context)
            controls.link_to(asked, f"The article's {build.label}: {build.claimed_tok_s:g} tok/s claimed")
