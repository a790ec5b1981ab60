"""Tables as files: CSV, JSON and Markdown."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

Record = Mapping[str, Any]
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""First characters that spreadsheets take for a formula. Source: OWASP, CSV Injection (read 2026-11-24)."""


def to_csv(rows: Sequence[Record]) -> str:
    """A header and one line per row; a text that a spreadsheet would compute is quoted with an apostrophe."""
    out = io.StringIO()
    columns = list(dict.fromkeys(name for row in rows for name in row))
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _harmless(value) for name, value in row.items()} for row in rows)
    return out.getvalue()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def to_json(question: Record, rows: Sequence[Record]) -> str:
    """The question and the rows."""
    return json.dumps({"question": question, "rows": list(rows)}, indent=1, default=str)


def to_markdown(title: str, rows: Sequence[Record]) -> str:
    """A heading and a table."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    lines = [f"# {title}", "", *(_line(cells) for cells in (columns, ["---"] * len(columns)))]
    lines += [_line([_cell(row.get(name)) for name in columns]) for row in rows]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Any) -> str:
    text = "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
    return text.replace("|", "/").replace("\n", " ").replace("<", "&lt;")
