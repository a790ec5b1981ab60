"""From a pasted text to measured runs. Read this module first.

    plain, numbered      lines without colours and terminal marks               advisor.pasted.lines
    Told                 what command lines, headers and logs tell of the runs  advisor.pasted.settings
    read_row             rows of tables, as Markdown, CSV or with tabs           advisor.pasted.tables
    read_object          JSON and SQL                                            advisor.pasted.records
    LogReader            timings that programs print                             advisor.pasted.logs
    read_words           plain words                                             advisor.pasted.words
    checked, named       runs with speeds that tell something, of known models   advisor.pasted.runs

Each line is read by one of them, says nothing of speeds, or is `Unread` with the reason.
"""

import csv
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from advisor.errors import InputError
from advisor.pasted.lines import MOST_BYTES, Line, decoded, numbered, plain
from advisor.pasted.logs import LogReader
from advisor.pasted.records import MOST_FAILURES, objects_in, read_object, sql_row, values_in
from advisor.pasted.runs import Found, Pasted, PastedRun, Unread, checked, joined, named, shown
from advisor.pasted.settings import Told, program_in, told_by_command
from advisor.pasted.tables import kind_of, read_row
from advisor.pasted.words import MOST_LINES, read_words, states_speed

LOG_CHARACTERS: Final = 1000
"""Of a line of a log; what tells anything stands at its beginning."""
SILENT: Final = re.compile(
    r"\s*(?:[|+:=\-_ *#`~>.]*|build: .*|#.*|CREATE TABLE.*|\);|  \w+ (?:TEXT|INTEGER|REAL),?|[\])}],?|\|[^|]*\|)\s*"
)
"""Lines without content, and those that tables and logs have around what they say."""
_BUILD = re.compile(r"^build: (?P<commit>\S+) \((?P<number>\d+)\)")
_SPLIT_MARK = re.compile(r"[\s|:+-]+")


def read_runs(
    content: bytes | str, model: str | None = None, quant: str | None = None, *, bare: bool = False
) -> Pasted:
    """The runs in a file's or a paste's content; `model` and `quant` say what it leaves open. `bare`: a number at the
    end of a line of words is a speed.

    Raises `InputError` for a text that is too large, or where `model` is given for runs of several models.
    """
    if len(content) > MOST_BYTES:
        raise InputError(f"the text has {len(content):,} characters; at most {MOST_BYTES:,} are read: cut it")
    text = plain(decoded(content) if isinstance(content, bytes) else content)
    reader = PasteReader(numbered(text), text, bare=bare)
    reader.read()
    labels = {item.told.label or item.told.model for item in reader.found} - {None}
    if model and len(labels) > 1:
        some = ", ".join(sorted(str(label) for label in labels)[:4])
        raise InputError(f"a model is named for all runs, but they are of several ({some}): leave out --model")
    runs: list[PastedRun] = []
    for item in joined(_usable(reader)):
        run = named(item, model, quant)
        if isinstance(run, str):
            reader.refuse(item.line, run)
        else:
            runs.append(run)
    unread = sorted(reader.unread, key=lambda item: (item.first, item.last))
    return Pasted(tuple(sorted(runs, key=lambda item: item.line)), tuple(unread))


def _usable(reader: "PasteReader") -> list[Found]:
    """The found runs that tell something; of the others and of what was left out of a run the lines are told."""
    kept = []
    for item in sorted(reader.found, key=lambda found: found.line):
        found = checked(item)
        if isinstance(found, str):
            reader.refuse(item.line, found)
        else:
            kept.append(found)
    return kept


class PasteReader:
    """Goes through the lines once."""

    def __init__(self, lines: list[Line], text: str, *, bare: bool) -> None:
        self.lines, self.text, self.bare = lines, text, bare
        self.found: list[Found] = []
        self.unread: list[Unread] = []
        self.log = LogReader(Told())
        self.table: tuple[str, str, list[str]] | None = None
        self._starts = self._line_starts()
        self._failures = self._worded = 0
        self._silent: list[Line] = []

    def refuse(self, line: int, why: str) -> None:
        """A line that was not read."""
        if not any(item.first == line and item.why == why for item in self.unread[-8:]):
            self.unread.append(Unread(line, line, shown(self.lines[line - 1].text), why))

    def read(self) -> None:
        """Read all lines."""
        index = 0
        while index < len(self.lines):
            index += self._read_at(index)
        self._end_of_silence()
        self.found += self.log.found
        for line, why in self.log.refused:
            self.refuse(line, why)

    def _read_at(self, index: int) -> int:
        """Read what begins at a line; returns how many lines it takes."""
        line = self.lines[index]
        if taken := self._json(index) or self._command(index):
            self._end_of_silence()
            return taken
        text = line.text[:LOG_CHARACTERS]
        if self._sql(line) or self._table(line) or self.log.read(line.number, text):
            self._end_of_silence()
        elif build := _BUILD.match(text):
            self._built(f"b{build['number']}")
        elif states_speed(text) or (self.bare and text.strip()):
            self._end_of_silence()
            self._words(line)
        elif not SILENT.fullmatch(text):
            self._silent.append(line)
        return 1

    def _end_of_silence(self) -> None:
        """Lines without a speed are told as one."""
        if self._silent:
            first, last = self._silent[0], self._silent[-1]
            self.unread.append(Unread(first.number, last.number, shown(first.text), "no speed in it"))
        self._silent = []

    def _line_starts(self) -> list[int]:
        starts, place = [], 0
        for part in self.text.split("\n"):
            starts.append(place)
            place += len(part) + 1
        return starts

    def _take(self, line: int, rows: list[Found] | str) -> None:
        if isinstance(rows, str):
            self.refuse(line, rows)
        else:
            self.found += rows

    def _json(self, index: int) -> int:
        """JSON that begins on a line: its objects are read, each told by the line where it begins."""
        text = self.lines[index].text
        begun = re.match(r"\s*(?:data: )?(?=[\[{])", text)
        if not begun or self._failures >= MOST_FAILURES or re.match(r"\s*\[(?!\s*(?:\{|\[|$))", text):
            return 0
        start = self._starts[index] + begun.end()
        read = values_in(self.text, start, self._failures)
        if read is None:
            self._failures += 1
            if text.strip() in {"[", "{"} or text.strip().startswith('{"'):
                cut = "this JSON is cut or broken" if text.strip() != "[" else ""
                if cut:
                    self.refuse(self.lines[index].number, cut)
                return 1 if not cut else self._rest_of_object(index)
            return 0
        value, end = read
        taken = self.text.count("\n", start, end) + 1
        objects, place = list(objects_in(value)), start
        for item in objects:
            place = self.text.find("{", place, end) if len(objects) > 1 else start
            line = index + 1 + self.text.count("\n", start, max(place, start))
            self._take(min(line, index + taken), read_object(item, line, self.log.told))
            place = self._after(place, end)
        if not objects:
            self.refuse(self.lines[index].number, "this JSON states no run")
        return taken

    def _after(self, place: int, end: int) -> int:
        """Where the object that begins at a place ends."""
        read = values_in(self.text, place)
        return read[1] if read else end

    def _rest_of_object(self, index: int) -> int:
        """Lines of a JSON object that was cut: up to the next one that begins as deep."""
        indent = len(self.lines[index].text) - len(self.lines[index].text.lstrip())
        for step, line in enumerate(self.lines[index + 1 :], 1):
            inside = len(line.text) - len(line.text.lstrip()) > indent or line.text.strip() in {"}", "},", "]"}
            if not inside or line.text.strip() == "{":
                return step
        return len(self.lines) - index

    def _command(self, index: int) -> int:
        """A command line, with those that its backslashes continue; what it tells holds for what follows."""
        text = self.lines[index].text
        if "|" in text[:3] or not program_in(text[:LOG_CHARACTERS]):
            return 0
        taken, parts = 1, [text]
        while parts[-1].rstrip().endswith(("\\", "^", "`")) and index + taken < len(self.lines) and taken < 60:
            parts.append(self.lines[index + taken].text)
            taken += 1
        command = " ".join(part.rstrip().rstrip("\\^`") for part in parts)
        self.log.begin(told_by_command(command))
        self.table = None
        return taken

    def _sql(self, line: Line) -> bool:
        if not line.text.lstrip().startswith("INSERT INTO"):
            return False
        cells = sql_row(line.text)
        self._take(line.number, read_object(cells, line.number, self.log.told) if cells else "this statement is cut")
        return True

    def _table(self, line: Line) -> bool:
        """A header of a known table, or a row under one."""
        split = "|" if line.text.lstrip().startswith("|") else "\t" if "\t" in line.text else ""
        if split:
            cells = [cell.strip(" *`") for cell in line.text.strip().strip("|\\").split(split)]
        elif line.text.count(",") >= 3 or line.text.count(";") >= 3:
            split = "," if line.text.count(",") >= line.text.count(";") else ";"
            cells = _csv(line.text, split)
        else:
            self.table = None if line.text.strip() and not SILENT.fullmatch(line.text) else self.table
            return False
        columns = [cell.lower() for cell in cells]
        if kind := kind_of(columns):
            self.table = (kind, split, columns)
            return True
        if self.table is None or self.table[1] != split:
            return False
        if _SPLIT_MARK.fullmatch(line.text):
            return True
        self._row(line.number, cells)
        return True

    def _row(self, number: int, cells: list[str]) -> None:
        assert self.table is not None
        kind, _, columns = self.table
        if len(cells) > len(columns) and "ot" in columns:  # patterns have bars of their own
            place, more = columns.index("ot"), len(cells) - len(columns)
            cells = [*cells[:place], "|".join(cells[place : place + more + 1]), *cells[place + more + 1 :]]
        if len(cells) < len(columns):
            self.refuse(number, f"the row is cut: it has {len(cells)} of {len(columns)} columns")
            return
        row: Mapping[str, Any] = {name: cell for name, cell in zip(columns, cells, strict=False) if name}
        self._take(number, read_row(kind, row, number, self.log.told))

    def _built(self, version: str) -> None:
        """llama-bench tells its build after the table."""
        for index, item in enumerate(self.found):
            if item.program == "llama-bench" and "version" not in item.told.engine:
                told = item.told.copy()
                told.engine["version"] = version
                self.found[index] = replace(item, told=told)

    def _words(self, line: Line) -> None:
        self._worded += 1
        if self._worded > MOST_LINES:
            self.refuse(line.number, f"of plain words {MOST_LINES} lines are read")
            return
        words = read_words(line.number, line.text.strip(), self.log.told, bare=self.bare)
        self._take(line.number, words if isinstance(words, str) else [words])


def _csv(text: str, split: str) -> list[str]:
    """The cells of a line of CSV."""
    try:
        return [cell.strip() for cell in next(csv.reader([text], delimiter=split))]
    except (csv.Error, StopIteration):
        return []
