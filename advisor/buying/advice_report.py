"""Advice as one document: picks with their reasons, what lies beside, ways out, and the ranking behind it. The same
words in a terminal, in Markdown and on a page.
"""

from advisor.answer import Range
from advisor.buying.picking.reasons import PICK_WORDS, REMARKS
from advisor.buying.recommendation import Pick, RankedBuild, Recommendation
from advisor.buying.report import (
    CONDITIONS,
    WIDE,
    cells,
    contents,
    counted,
    exchange_of,
    explanation,
    people,
    provenance,
    ranking_section,
)
from advisor.choosing.tasks import TASKS
from advisor.documents import Code, Document, Paragraph, Points, Section, Table, TableColumn, as_markdown, number
from advisor.market.money import Exchange

BESIDE_WORDS = {"more": "A bit more", "less": "A bit less", "ready_made": "Without building"}
UNCOUNTED = "What it brings when sold, repairs and your time are not counted."


def title(found: Recommendation) -> str:
    """The wish in one line."""
    wish = found.scenario["wish"]
    budget = f"{exchange_of(found).said(wish['budget_usd'])} or less" if wish["budget_usd"] else "any price"
    if found.task is not None and found.scenario["wish"].get("model") is None:
        words = TASKS[found.task].words
        head = words[:1].upper() + words[1:]
    else:
        head = " ".join(str(word) for word in (found.scenario.get("model"), found.scenario.get("quant")) if word)
    wanted = f"{wish['context']:,} tokens of context, {wish['min_tok_s']:g} tok/s or more"
    return f"{head}: {wanted}{people(wish)}, {CONDITIONS[wish['condition']]}, {budget}"


def advice_document(found: Recommendation, width: int) -> Document:
    """The advice for `width` columns; without picks it is what to change."""
    if not found.builds:
        return _nothing(found)
    exchange = exchange_of(found)
    sections = [Section("", [Paragraph(f"{model.why}.") for model in found.models[:1]])]
    sections += [_picked(pick, found.builds[pick.build], exchange) for pick in found.picks]
    if len(found.models) > 1:
        sections.append(Section("Other models above", [Points([f"{model.why}." for model in found.models[1:]])]))
    if found.running:
        said = [*(f"{line[0].upper()}{line[1:]}." for line in found.running), UNCOUNTED]
        sections.append(Section("What our pick costs to run", [Points(said)]))
    if found.picks and found.picks[0].living:
        said = [f"{line[0].upper()}{line[1:]}." for line in found.picks[0].living]
        sections.append(Section("Living with our pick", [Points(said)]))
    beside = [f"{BESIDE_WORDS[item.kind]}: {item.text}." for item in found.beside]
    beside += [f"{item.text}." for item in found.near if item.text not in " ".join(beside)]
    if beside:
        sections.append(Section("Just beside", [Points(beside)]))
    first = found.builds[found.picks[0].build] if found.picks else found.builds[0]
    sections += [_parts(first, exchange), ranking_section(found, width)]
    sections.append(Section("", [Paragraph(line, faint=True) for line in explanation(found)]))
    sections.append(Section("", [Paragraph("To see our pick by itself", strong=True)]))
    return Document(title(found), sections)


def _nothing(found: Recommendation) -> Document:
    ways = [f"{way.change}." for way in found.ways_out] or ["Nothing near does either: ask for much less."]
    return Document(title(found), [
        Section("", [Paragraph("No computer that we can price does this.", strong=True)]),
        Section("The nearest ways out", [Points(ways)]),
        Section("", [Paragraph(f"Left out, {line}.", faint=True) for line in found.left_out]),
    ])


def _picked(pick: Pick, build: RankedBuild, exchange: Exchange) -> Section:
    """One pick: what it is, what it does, why, and what speaks against it."""
    numbers = cells(build, exchange)
    decode = build.prediction.decode_tok_s
    speed = f"{number(decode.p50)} tok/s ({_span(decode)})" if decode else ""
    head = f"{PICK_WORDS[pick.pick]}: {build.name}, {numbers['Price']}"
    line = f"{build.model} {build.quant} at {speed}; {contents(build)}; price {numbers['(80 %)']}"
    return Section(head, [
        Paragraph(f"{REMARKS[pick.pick]}; {line}."),
        Points([f"{reason}" for reason in pick.why], mark="+ "),
        Points([f"{reason}" for reason in pick.against], mark="- "),
    ])


def _span(speed: Range) -> str:
    return f"90 %: {number(speed.p05)}-{number(speed.p95)}"


def _parts(build: RankedBuild, exchange: Exchange) -> Section:
    rows = [
        [part.kind, name, exchange.said(part.price_usd * count), provenance(part, exchange)]
        for name, part, count in counted(build)
    ]
    sides = TableColumn(), TableColumn(), TableColumn(right=True), TableColumn()
    notes = [Paragraph(note.message, faint=True) for note in build.notes]
    return Section(f"Parts of our pick, {build.name}", [Table(sides, rows, head=False), *notes])


def advice_markdown(found: Recommendation) -> str:
    """The same for a page or an issue, with the command that shows the first pick by itself."""
    page = advice_document(found, WIDE)
    if found.builds:
        first = found.builds[found.picks[0].build] if found.picks else found.builds[0]
        page = Document(page.title, [*page.sections, Section("", [Code(first.predict_command)])])
    return as_markdown(page)

