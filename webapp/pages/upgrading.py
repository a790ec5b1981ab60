"""What to buy next for a computer, by what should change about it: on the page of a build and on that of one's own."""

import streamlit as st

from advisor.answer import Prediction
from advisor.buying.pricing import Quote
from advisor.buying.upgrades import Purchase, Upgrades, shown, standing
from advisor.choosing.tasks import TaskName
from advisor.errors import InputError
from advisor.market.market import Choice
from advisor.physics.knowledge import Knowledge
from catalog.names.index import UnknownName
from webapp import build_rows, controls, resources, tables
from webapp.links import BuildState, MachineState
from webapp.words import age, listed, note, plain, sentence

GOALS = {"faster": "faster", "larger": "better models", "longer": "longer context", "people": "more people at once"}
MEASURED = {
    "faster": "A step takes", "larger": "Quality of the best model", "longer": "Longest context", "people": "People",
}
"""What the column of the goal is called."""


def box(
    kind: type[BuildState | MachineState], answer: Prediction, task: TaskName, condition: Choice, known: Knowledge,
    *, tinkerer: bool = False,
) -> None:
    """The purchases that help, cheapest first, each a tenth better than the one before; one of them named."""
    goal = st.segmented_control(
        "What should change?", list(GOALS), key=controls.key(kind, "goal"), format_func=GOALS.__getitem__, required=True
    )
    asked = answer.scenario.model_copy(update={"measured": ()})
    try:
        with st.spinner("Trying every purchase", show_time=True):
            found = resources.upgrades(asked, goal or "faster", task, condition, known, tinkerer=tinkerer)
    except (InputError, UnknownName) as error:
        st.info(plain(sentence(str(error))))
        return
    best = ""
    if found.best is not None:
        take = found.purchases[found.best]
        price = controls.exchange().said(take.price_usd)
        best = f"  \n**We would buy: {plain(f'{take.buy}, {price}: {shown(found, take.after)}.')}**"
    st.markdown(f"As it is: {plain(standing(found))}.{best}")
    if found.purchases:
        rows = [
            _row(item, found, resources.card_quote(asked.hardware, item.prediction.scenario.hardware, condition))
            for item in found.purchases
        ]
        st.html(tables.table(rows, {}, "Upgrades: what to buy, its price and what changes by it"))
    listed(sentence(line) for line in found.said)


def _row(item: Purchase, found: Upgrades, seen: Quote | None) -> build_rows.Row:
    exchange, speed = controls.exchange(), item.prediction.decode_tok_s
    return {
        "Buy": item.buy, "Price": exchange.said(item.price_usd),
        "8 of 10 pay": f"{exchange.said(item.low_usd)} to {exchange.said(item.high_usd)}",
        MEASURED[found.goal]: shown(found, item.after), "Gain": f"{item.gain:.1f}x" if item.gain else "then it runs",
        "Then it writes": build_rows.said(speed), "Model": f"{item.model} {item.quant}",
        "Mind": exchange.worded(item.mind),
        "Card's price seen": age(seen.as_of, resources.today()) if seen and seen.as_of else "",
        "Link": build_rows.address(seen.source) if seen else None, "Source": seen.source if seen else "",
    }


def caution() -> None:
    """What a price of a purchase holds, and what it does not."""
    note("A price is of all that its line names: a docked card with its dock and supply, a card without a fan with "
         "what cools it, a new supply where the card needs one.")
