"""A document: titled sections of text, tables and charts, and one renderer of it for each way of showing.

| function | shows it |
|---|---|
| `as_text` | in a terminal, in lines of a fixed width and no colours: for what is short and wanted at once |
| `as_rich` | in a terminal by rich, which gives the columns of wide tables the room that there is |
| `as_markdown` | in an issue or a page of the documentation |
| `as_html` | in a browser: one page that needs nothing else, charts drawn into it, no script |
| `as_csv` | in a spreadsheet: one table |
| `draw` of `advisor.charts` | as a picture (PNG, SVG): the charts that `charts_of` finds |

A report makes a `Document` of what it has found and knows no renderer:

>>> speeds = Table(columns("model", "tok/s", numbers=1), [("gpt-oss-20b", "31"), ("Qwen3-8B", "54")])
>>> found = Document("Two models", [Section("Speeds", [speeds, Points(["Both fit."])])])
>>> print(as_text(found))
Two models
<BLANKLINE>
Speeds
  model        tok/s
  gpt-oss-20b     31
  Qwen3-8B        54
  - Both fit.
>>> print(as_markdown(found), end="")
# Two models
<BLANKLINE>
## Speeds
<BLANKLINE>
| model | tok/s |
| --- | --- |
| gpt-oss-20b | 31 |
| Qwen3-8B | 54 |
<BLANKLINE>
- Both fit.
"""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from html import escape
from itertools import chain
from textwrap import wrap
from typing import TYPE_CHECKING, Any, TypeAlias

from advisor.charts import Chart, svg

if TYPE_CHECKING:
    from rich.console import RenderableType

BAR = 24
"""Characters of a bar."""
LEAST_TEXT = 20
"""Characters that a table's last cells need beside the others to go on below."""


@dataclass(frozen=True, slots=True)
class Bar:
    """A cell that shows a share of one by its length."""

    share: float

    def __str__(self) -> str:
        return bar(self.share)


@dataclass(frozen=True, slots=True)
class Words:
    """A cell of a strong word, and of plain and faint ones below it."""

    strong: str
    plain: str = ""
    faint: str = ""

    def __str__(self) -> str:
        return ", ".join(self.lines())

    def lines(self) -> list[str]:
        """What is said of it, strong first."""
        return [word for word in (self.strong, self.plain, self.faint) if word]


Cell: TypeAlias = str | float | Bar | Words | None
"""Of a number its own digits are shown: a report that rounds gives words."""


@dataclass(frozen=True, slots=True)
class TableColumn:
    """How the cells of a column are shown.

    width: characters in `as_text`, the gap to the column before it included; 0: as the widest cell needs.
    right: to the right, as numbers are. whole: never broken over lines. fills: takes the room that others leave.
    """

    title: str = ""
    width: int = 0
    right: bool = False
    whole: bool = False
    fills: bool = False


def columns(*titles: str, numbers: int = 0) -> tuple[TableColumn, ...]:
    """Columns of these titles, of which the last `numbers` hold numbers."""
    first = len(titles) - numbers
    return tuple(TableColumn(title, right=place >= first) for place, title in enumerate(titles))


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, as many in each as there are columns.

    head: whether the titles of the columns are shown. brief: so many columns does a terminal have room for; None: all.
    """

    columns: Sequence[TableColumn]
    rows: Sequence[Sequence[Cell]]
    head: bool = True
    brief: int | None = None


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text. What it has of Markdown's marks is shown as it stands elsewhere; a line break in it stays one."""

    text: str
    strong: bool = False
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Sourced:
    """A remark and where it is from, which is never broken over lines."""

    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Points:
    """Single remarks. mark: what stands before each in a terminal, where further lines are indented."""

    items: Sequence[str | Sourced]
    mark: str = "- "


@dataclass(frozen=True, slots=True)
class Labelled:
    """Rows of a label and what is to be said of it; a row without a label goes on with the one before it."""

    rows: Sequence[tuple[str, str]]
    label_width: int = 14


@dataclass(frozen=True, slots=True)
class Code:
    """A command, which `as_text` cuts at its options, or lines of a program, which stay as they are."""

    text: str


Block: TypeAlias = Paragraph | Points | Labelled | Code | Table | Chart


@dataclass(frozen=True, slots=True)
class Section:
    """Blocks below a title, which may be empty. A section of nothing is not shown at all."""

    title: str
    blocks: Sequence[Block]

    def filled(self) -> list[Block]:
        """The blocks that hold something. A table of no rows does: its titles say what there would be."""
        return [block for block in self.blocks if not _empty(block)]


@dataclass(frozen=True, slots=True)
class Document:
    """Sections below a title, which may be empty."""

    title: str
    sections: Sequence[Section]

    def filled(self) -> list[tuple[str, list[Block]]]:
        """Title and blocks of the sections that hold something."""
        return [(section.title, blocks) for section in self.sections if (blocks := section.filled())]


def _empty(block: Block) -> bool:
    match block:
        case Paragraph(text=content) | Code(text=content) | Points(items=content) | Labelled(rows=content):
            return not content
        case _:
            return False


def bar(share: float) -> str:
    """A share of one as a bar of fixed width; more than all is full.

    >>> bar(0.5)
    '############............'
    """
    filled = min(BAR, max(0, round(share * BAR)))
    return "#" * filled + "." * (BAR - filled)


def number(value: float) -> str:
    """Three significant digits at most, thousands separated, no needless zeros.

    >>> [number(value) for value in (31.42, 4.248, 1234.5, 0.0512)]
    ['31', '4.2', '1,234', '0.051']
    """
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def seconds(value: float) -> str:
    """A time in the unit people would say it in.

    >>> seconds(0.0123), seconds(7.5), seconds(200), seconds(239.7)
    ('12 ms', '7.5 s', '3 min 20 s', '4 min 0 s')
    """
    if value < 1:
        return f"{number(value * 1000)} ms"
    return f"{number(value)} s" if value < 120 else f"{round(value) // 60:,d} min {round(value) % 60} s"


def charts_of(document: Document) -> list[Chart]:
    """All charts in order, as `advisor.charts.draw` takes them."""
    return [block for _, blocks in document.filled() for block in blocks if isinstance(block, Chart)]


def _remark(item: str | Sourced) -> str:
    return f"{item.text}: {item.source}" if isinstance(item, Sourced) else item


def _said(cell: Cell) -> str:
    return "" if cell is None else str(cell)


# A terminal: lines of a fixed width.

INDENT = "  "
GAP = 2
"""Characters between columns whose width is not given."""


def as_text(document: Document, width: int = 80, emphasis: Callable[[str], str] = str) -> str:
    """Lines of at most `width` characters; `emphasis` marks titles, for a terminal that can."""
    blocks = [[emphasis(line) for line in wrap(document.title, width)]] if document.title else []
    for title, parts in document.filled():
        head = [emphasis(line) for line in wrap(title, width)]
        blocks.append([*head, *(line for part in parts for line in _lines(part, width))])
    return "\n\n".join("\n".join(lines) for lines in blocks)


def _lines(block: Block, width: int) -> Iterator[str]:
    match block:
        case Paragraph():
            pointed = partial(wrap, width=width, initial_indent=INDENT, subsequent_indent=INDENT)
            yield from chain.from_iterable(map(pointed, block.text.splitlines()))
        case Points():
            first = f"{INDENT}{block.mark}"
            pointed = partial(wrap, width=width, initial_indent=first, subsequent_indent="    ", break_long_words=False)
            for item in block.items:
                yield from pointed(item.text if isinstance(item, Sourced) else item)
                yield from [f"    {item.source}"] if isinstance(item, Sourced) else []
        case Labelled():
            for label, text in block.rows:
                first, others = (f"{INDENT}{head:<{block.label_width}}" for head in (label, ""))
                yield from wrap(text, width, initial_indent=first, subsequent_indent=others)
        case Code():
            yield from _typed(block.text, width)
        case Table():
            yield from aligned(block, width)
        case Chart():
            yield from _plotted(block, width)


def _typed(text: str, width: int) -> Iterator[str]:
    """A command cut at its options, each line but the last ending in a backslash; several lines as they are."""
    several = "\n" in text
    cut = partial(wrap, width=width - 4, break_long_words=False, break_on_hyphens=False)
    lines = text.splitlines() if several else cut(text)
    for place, line in enumerate(lines):
        goes_on = not several and place < len(lines) - 1
        yield f"{INDENT}{INDENT if place and not several else ''}{line}{' ' + chr(92) if goes_on else ''}"


def aligned(table: Table, width: int | None = None, indent: str = INDENT) -> Iterator[str]:
    """The lines of a table. What the last cells have no room for in a `width` goes on below; all else is cut there."""
    shown = table.columns[: table.brief]
    rows = [[_said(cell) for cell in row[: table.brief]] for row in table.rows]
    if table.head:
        rows.insert(0, [column.title for column in shown])
    gaps = [" " * GAP if place and not column.width else "" for place, column in enumerate(shown)]
    widths = [column.width or max((len(row[place]) for row in rows), default=0) for place, column in enumerate(shown)]
    for row in rows:
        cells = [
            f"{gap}{cell:>{room}}" if column.right else f"{gap}{cell:<{room}}"
            for cell, gap, room, column in zip(row, gaps, widths, shown, strict=True)
        ]
        line = f"{indent}{''.join(cells)}".rstrip()
        margin = len(f"{indent}{''.join(cells[:-1])}{gaps[-1]}")
        goes_on = width and len(line) > width >= margin + LEAST_TEXT and not shown[-1].right
        below = partial(wrap, width=width or 0, initial_indent=line[:margin], subsequent_indent=" " * margin)
        yield from below(line[margin:]) if goes_on else [line[:width].rstrip()]


def _plotted(chart: Chart, width: int) -> Iterator[str]:
    """What is marked by dots, each as a bar of its share of the highest."""
    most = max((value for curve in chart.curves for _, value in curve.points), default=0.0) or 1.0
    for curve in (curve for curve in chart.curves if curve.dots):
        yield f"{INDENT}{curve.label}"[:width]
        rows = [(f"{at:,.6g}", f"{value:,.4g}", Bar(value / most)) for at, value in curve.points]
        places = (TableColumn(chart.x.title, right=True), TableColumn(chart.y.title, right=True), TableColumn())
        yield from aligned(Table(places, rows), width)


# A terminal, by rich.


def as_rich(document: Document, width: int | None = None) -> "RenderableType":
    """For a terminal of `width` columns, which the tables with a column that fills take whole."""
    from rich.console import Group
    from rich.text import Text

    shown: list[RenderableType] = [Text(document.title, style="bold")] if document.title else []
    for title, parts in document.filled():
        shown += [""] if shown else []
        shown += [Text(title, style="bold")] if title else []
        shown += [line for part in parts for line in _renderables(part, width)]
    return Group(*shown)


def _renderables(block: Block, width: int | None) -> "Iterator[RenderableType]":
    from rich.text import Text

    match block:
        case Paragraph():
            yield Text(block.text, style="bold" if block.strong else "dim" if block.faint else "")
        case Points():
            yield from (Text(f"{block.mark}{_remark(item)}") for item in block.items)
        case Table():
            yield _grid(block, width)
        case _:
            yield from map(Text, _lines(block, width or 80))


def _grid(table: Table, width: int | None) -> "RenderableType":
    from rich.table import Table as Grid
    from rich.text import Text

    def shown(cell: Cell) -> Text:
        if not isinstance(cell, Words):
            return Text(_said(cell))
        text = Text(cell.strong, style="bold")
        for more, style in ((cell.plain, "not bold"), (cell.faint, "not bold dim")):
            if more:
                text.append(f"\n{more}", style=style)
        return text

    places = table.columns[: table.brief]
    whole = width if any(column.fills for column in places) else None
    grid = Grid(box=None, pad_edge=False, padding=(0, GAP // 2), show_header=table.head, width=whole)
    for column in places:
        justify: Any = "right" if column.right else "left"
        grid.add_column(Text(column.title), justify=justify, no_wrap=column.whole, ratio=1 if column.fills else None)
    for row in table.rows:
        grid.add_row(*map(shown, row[: table.brief]))
    return grid


# Markdown and CSV.


def as_markdown(document: Document) -> str:
    """Headings, paragraphs, lists and tables, a chart as the table of its points; ends with a line break."""
    blocks = [f"# {document.title}"] if document.title else []
    for title, parts in document.filled():
        blocks += [f"## {title}"] if title else []
        blocks += ["\n".join(_marked(part)) for part in parts]
    return "\n\n".join(blocks) + "\n"


def _marked(block: Block) -> Iterator[str]:
    match block:
        case Paragraph():
            yield f"**{block.text}**" if block.strong else block.text
        case Points():
            yield from (f"- {_remark(item)}" for item in block.items)
        case Labelled():
            yield from (f"- {label}: {text}" if label else f"  {text}" for label, text in block.rows)
        case Code():
            yield from ("```", block.text, "```")
        case Table():
            yield _row([column.title for column in block.columns])
            yield _row(["---"] * len(block.columns))
            yield from map(_row, block.rows)
        case Chart():
            titles = columns("", block.x.title, block.y.title, numbers=2)
            dots = [(curve.label, point) for curve in block.curves if curve.dots for point in curve.points]
            yield from _marked(Table(titles, [(label, f"{at:,.6g}", f"{value:,.4g}") for label, (at, value) in dots]))


def _row(cells: Sequence[Cell]) -> str:
    told = (
        f"**{cell.strong}**{str(cell)[len(cell.strong) :]}" if isinstance(cell, Words) else _said(cell)
        for cell in cells
    )
    return f"| {' | '.join(word.replace('|', '/').replace(chr(10), ' ').replace('<', '&lt;') for word in told)} |"


FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters that spreadsheets take for a formula. Source: OWASP, CSV Injection (read 2026-11-24)."""


def as_csv(table: Table, *, harmless: bool = True) -> str:
    """A header and one line per row; `harmless`: a text that a spreadsheet would compute is led by an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.title for column in table.columns])
    for row in table.rows:
        cells = [cell if isinstance(cell, (int, float)) else _said(cell) for cell in row]
        risky = (harmless and isinstance(cell, str) and cell.startswith(FORMULA) for cell in cells)
        writer.writerow([f"'{cell}" if risk else cell for cell, risk in zip(cells, risky, strict=True)])
    return out.getvalue()


# HTML.

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { padding: .25rem .6rem; text-align: left; border-bottom: 1px solid #8886; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
svg { width: 100%; max-width: 44rem; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
svg .grid { stroke: #8884; }
.scroll { overflow-x: auto; }
.key { display: inline-block; margin-right: 1.2rem; }
.key i { display: inline-block; width: .8rem; height: .8rem; border-radius: 50%; margin-right: .4rem; }
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def as_html(document: Document) -> str:
    """A whole page; all words of the document are shown as text."""
    title, body = escape(document.title), []
    for heading, parts in document.filled():
        body += [f"<h2>{escape(heading)}</h2>"] if heading else []
        body += ["\n".join(_elements(part)) for part in parts]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{chr(10).join(body)}\n</body>\n</html>\n"
    )


def _elements(block: Block) -> Iterator[str]:
    match block:
        case Paragraph():
            said = escape(block.text).replace("\n", "<br>")
            yield f"<p><strong>{said}</strong></p>" if block.strong else f"<p>{said}</p>"
        case Points():
            yield f"<ul>{''.join(f'<li>{escape(_remark(item))}</li>' for item in block.items)}</ul>"
        case Labelled():
            told = (f"<dt>{escape(label)}</dt><dd>{escape(text)}</dd>" for label, text in block.rows)
            yield f"<dl>{''.join(told).replace('<dt></dt>', '')}</dl>"
        case Code():
            yield f"<pre>{escape(block.text)}</pre>"
        case Table():
            titles = _cells([column.title for column in block.columns], block, "th")
            head = f"<thead>{titles}</thead>\n" if block.head else ""
            body = "\n".join(_cells(row, block, "td") for row in block.rows)
            yield f'<div class="scroll"><table>\n{head}<tbody>\n{body}\n</tbody></table></div>'
        case Chart():
            keys = (
                f'<span class="key"><i style="background:{hue}"></i>{escape(label)}</span>'
                for label, hue in block.legend().items()
            )
            yield from [f"<p>{''.join(keys)}</p>"] if block.legend() else []
            yield svg(block)


def _cells(cells: Sequence[Cell], table: Table, tag: str) -> str:
    def shown(cell: Cell) -> str:
        match cell:
            case Words():
                first, *others = map(escape, cell.lines())
                return "<br>".join([f"<strong>{first}</strong>", *others])
            case Bar():
                return f'<meter value="{cell.share:.3f}"></meter>'
            case _:
                return escape(_said(cell))

    marks = (' class="n"' if column.right else "" for column in table.columns)
    return f"<tr>{''.join(f'<{tag}{mark}>{shown(cell)}</{tag}>' for mark, cell in zip(marks, cells, strict=True))}</tr>"
