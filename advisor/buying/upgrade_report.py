"""Purchases for a computer there is, as one document for terminal and Markdown, and as a table."""

from advisor.buying.upgrades import Purchase, Upgrades
from advisor.documents import Cell, Document, Paragraph, Points, Section, Table, TableColumn, number, seconds

TITLES = {
    "faster": "What makes it faster", "larger": "What runs a better model", "longer": "What gives a longer context",
    "people": "What serves more people",
}  # fmt: skip


def upgrades_table(found: Upgrades) -> Table:
    """A row for each purchase, cheapest first."""
    head = [
        TableColumn("Buy", fills=True), TableColumn("Price", right=True, whole=True),
        TableColumn("80 %", right=True, whole=True), TableColumn("Then", right=True, whole=True),
        TableColumn("Gain", right=True, whole=True), TableColumn("Writes tok/s", right=True, whole=True),
        TableColumn("Model", whole=True),
    ]  # fmt: skip
    return Table(head, [_row(found, item) for item in found.purchases])


def _row(found: Upgrades, item: Purchase) -> list[Cell]:
    speed = item.prediction.decode_tok_s
    gain = f"{item.gain:.1f}x" if item.gain else "runs"
    return [
        item.buy, f"${item.price_usd:,.0f}", f"${item.low_usd:,.0f}-{item.high_usd:,.0f}", shown(found, item.after),
        gain, number(speed.p50) if speed else "", f"{item.model} {item.quant}",
    ]  # fmt: skip


def shown(found: Upgrades, value: float) -> str:
    """A goal's measure as people read it."""
    if found.goal == "faster":
        return seconds(value) if value else "does not run"
    if found.goal == "longer":
        return f"{value / 1024:.0f}K" if value else "does not fit"
    return f"{value:g}" if value else "none"


def upgrades_document(found: Upgrades) -> Document:
    """Where it stands, the one to buy, all that help, and what to know."""
    today = shown(found, found.now)
    model = f" with {found.now_model}" if found.now_model else ""
    head = Paragraph(f"Today: {today} ({found.unit}){model}.")
    blocks: list[Paragraph] = [head]
    if found.best is not None:
        best = found.purchases[found.best]
        gain = f"{best.gain:.1f} times today's" if best.gain else "it then runs"
        text = f"We would buy: {best.buy}, ${best.price_usd:,.0f}: {shown(found, best.after)}, {gain}."
        blocks.append(Paragraph(text, strong=True))
    minds = [f"{item.mind}." for place, item in enumerate(found.purchases) if item.mind and place == found.best]
    return Document(TITLES[found.goal], [
        Section("", blocks),
        Section("", [upgrades_table(found)] if found.purchases else []),
        Section("To mind", [Points([*minds, *(f"{line}." for line in found.said)])]),
    ])  # fmt: skip
