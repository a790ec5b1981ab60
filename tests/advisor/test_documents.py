"""One document in a terminal, as Markdown, CSV and HTML: the same words in each, and none taken for a command."""

import csv
import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from advisor.charts import Chart, Curve, axis_of
from advisor.documents import (
    Bar,
    Block,
    Code,
    Document,
    Labelled,
    Paragraph,
    Points,
    Section,
    Table,
    TableColumn,
    Words,
    aligned,
    as_csv,
    as_html,
    as_markdown,
    as_rich,
    as_text,
    charts_of,
    columns,
)

AXIS = axis_of("tok/s", [1.0, 100.0])
CURVES = Curve("ours", ((10.0, 50.0), (20.0, 100.0))), Curve("line", ((0, 0), (1, 1)), dots=False)
CHART = Chart("Speeds", CURVES, AXIS, AXIS)
WORDS = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=30)


def of(*blocks: Block) -> Document:
    return Document("", [Section("", blocks)])


def rich(document: Document, width: int, *, colours: bool = False) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=colours, highlight=False).print(as_rich(document, width))
    return out.getvalue()


def test_text_has_titles_labels_points_and_commands() -> None:
    found = Document("Title", [
        Section("", [Labelled((("Writing", "31 tok/s"), ("", "and more " * 9)))]),
        Section("Mind", [Points(["a remark of more than forty characters, cut"])]),
        Section("To run it", [Code("llama-server --model a-long-name.gguf --ctx-size 8192"), Code("a(\n    b,\n)")]),
    ])
    assert as_text(found, 40, emphasis=str.upper) == (
        "TITLE\n\n"
        "  Writing       31 tok/s\n"
        "                and more and more and\n                more and more and more\n"
        "                and more and more and\n                more and more\n\n"
        "MIND\n  - a remark of more than forty\n    characters, cut\n\n"
        "TO RUN IT\n  llama-server --model \\\n    a-long-name.gguf --ctx-size 8192\n"
        "  a(\n      b,\n  )"
    )


def test_columns_stand_below_each_other_and_bars_are_shares() -> None:
    table = Table(columns("device", "GiB", "", numbers=2), [("RAM", "12.5", Bar(0.5)), ("GPU memory", None, Bar(1))])
    assert list(aligned(table, 80)) == [
        "  device       GiB",
        "  RAM         12.5  ############............",
        "  GPU memory        ########################",
    ]
    fixed = Table((TableColumn(width=6), TableColumn(width=6, right=True)), [("a", "1"), ("b", "22")], head=False)
    assert list(aligned(fixed, 10, indent="")) == ["a          1"[:10].rstrip(), "b         22"[:10].rstrip()]


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5), st.integers(20, 120))
def test_no_line_of_a_text_is_longer_than_asked(rows: list[tuple[str, str]], width: int) -> None:
    found = Document("A title", [Section("Rows", [Table(columns("a", "b", numbers=1), rows), CHART])])
    assert max(map(len, as_text(found, width).splitlines())) <= width


def test_the_words_at_the_end_of_a_row_go_on_below_and_none_is_lost() -> None:
    table = Table((TableColumn("tok/s", 8, right=True), TableColumn("run")), [("31", "a long name, 1 thread, at 2")])
    assert as_text(of(table), 34).splitlines() == [
        "     tok/s  run",
        "        31  a long name, 1 thread,",
        "            at 2",
    ]
    assert as_text(of(table), 24).splitlines()[1:] == ["        31  a long name,"]  # no room for words


def test_what_holds_nothing_is_not_shown() -> None:
    nothing = Section("None", [Points([]), Paragraph(""), Labelled(()), Code("")])
    found = Document("Title", [nothing, Section("Some", [Paragraph("word")])])
    for shown in (as_text(found), as_markdown(found), as_html(found), rich(found, 80)):
        assert "None" not in shown
        assert "word" in shown
    empty = of(Table(columns("reason", "rows"), []))
    assert "reason" in as_markdown(empty)  # what there would be


def test_rich_gives_the_filling_column_the_room_and_marks_words() -> None:
    table = Table((TableColumn("Build", fills=True), TableColumn("tok/s", right=True, whole=True)),
                  [(Words("a build", "of parts", "+$100"), "31")])
    plain = rich(of(table), 40).splitlines()
    assert plain[0] == "Build" + " " * 30 + "tok/s"
    assert [line.strip() for line in plain[1:]] == ["a build" + " " * 31 + "31", "of parts", "+$100"]
    coloured = rich(of(table, Paragraph("faint", faint=True), Paragraph("[bold]", strong=True)), 40, colours=True)
    assert "\x1b[1ma build" in coloured
    assert "\x1b[2mfaint" in coloured
    assert "[bold]" in coloured  # words of a catalog are no markup


def test_a_brief_table_has_fewer_columns_in_a_terminal_only() -> None:
    table = Table(columns("a", "b", "source"), [("1", "2", "https://x")], brief=2)
    assert "source" not in as_text(of(table)) + rich(of(table), 80)
    assert all("source" in shown for shown in (as_markdown(of(table)), as_html(of(table)), as_csv(table)))


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=5))
def test_a_row_of_markdown_has_as_many_cells_as_there_are_columns(rows: list[tuple[str, str]]) -> None:
    lines = as_markdown(of(Table(columns("a", "b"), rows))).splitlines()
    assert len(lines) == len(rows) + 2
    assert {line.count("|") for line in lines} == {3}
    assert not any("<" in line for line in lines)


def test_markdown_has_headings_and_a_chart_as_its_points() -> None:
    found = Document("T", [Section("S", [Labelled((("Writing", "31"), ("", "more"))), Code("a --b"), CHART])])
    assert as_markdown(found) == (
        "# T\n\n## S\n\n- Writing: 31\n  more\n\n```\na --b\n```\n\n"
        "|  | tok/s | tok/s |\n| --- | --- | --- |\n| ours | 10 | 50 |\n| ours | 20 | 100 |\n"
    )
    assert as_markdown(of(Paragraph("all", strong=True), Table(columns("a"), [(Words("x", "y"),)]))) == (
        "**all**\n\n| a |\n| --- |\n| **x**, y |\n"
    )


@given(st.lists(st.tuples(WORDS, st.floats(allow_nan=False, allow_infinity=False)), max_size=5))
def test_csv_is_read_back_and_computes_nothing(rows: list[tuple[str, float]]) -> None:
    read = list(csv.reader(io.StringIO(as_csv(Table(columns("name", "tok/s"), rows)))))
    assert read[0] == ["name", "tok/s"]
    for (name, speed), (found, value) in zip(rows, read[1:], strict=True):
        assert found.removeprefix("'") == name.removeprefix("'")
        assert found[0] not in "=+-@"
        assert float(value) == speed


def test_csv_leaves_words_as_they_are_where_that_is_asked() -> None:
    table = Table(columns("next", "left"), [("+$100: RTX 3090", None)])
    assert as_csv(table) == "next,left\n'+$100: RTX 3090,\n"
    assert as_csv(table, harmless=False) == "next,left\n+$100: RTX 3090,\n"


class Checked(HTMLParser):
    """Follows which elements are open."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.seen.add(tag)
        if tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        return

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("word", ["plain", "<script>alert(1)</script>", '"><img src=x>', "a & b"])
def test_a_page_is_whole_and_shows_words_as_text(word: str) -> None:
    chart = Chart(word, (Curve(word, ((1.0, 2.0),)),), axis_of(word, [1.0]), AXIS)
    blocks = [
        Paragraph(f"{word}\n{word}"), Points([word]), Labelled(((word, word), ("", word))), Code(word), chart,
        Table(columns(word, "n", numbers=1), [(Words(word, word), Bar(0.25)), (word, 1)]),
    ]
    page = as_html(Document(word, [Section(word, blocks)]))
    parser = Checked()
    parser.feed(page)
    assert parser.open == []
    assert not parser.seen & {"script", "img", "link"}
    assert not re.search(r"url\(|https?://(?!www\.w3\.org/2000/svg)", page)
    assert '<td class="n"><meter value="0.250"></meter></td>' in page
    assert "<svg" in page


def test_charts_are_found_in_order_and_drawn_as_bars_in_a_text() -> None:
    found = Document("", [Section("a", [CHART]), Section("b", [Paragraph("x"), CHART])])
    assert charts_of(found) == [CHART, CHART]
    text = as_text(of(CHART))
    assert re.search(r"10 +50  #{12}\.{12}\n +20 +100  #{24}$", text)
    assert "line" not in text  # what has no dots is a help for the eye
