"""Many questions: a JSON line in, a JSON line out, in the same order. A bad line costs its answer, never the batch.

`worked_out` and `outcomes` serve the command line and the JSON API alike.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeAlias

from pydantic import ValidationError

from advisor.asked import GgufFile, HfModel
from advisor.errors import InputError
from advisor.physics.knowledge import Knowledge
from advisor.prediction.case import Unplaced, asked_of, cases_of
from advisor.prediction.prediction import answers_json
from advisor.question import Scenario, complaint
from catalog.names.index import UnknownName

if TYPE_CHECKING:
    from advisor.gguf.model_file import ModelFile

FileReader: TypeAlias = Callable[[GgufFile | HfModel, str | None], "ModelFile"]
"""What reads the model file that a question names, with the quantisation asked beside it."""
TOGETHER: Final = 2048
"""Lines evaluated as arrays at a time: enough for speed, little enough for a stream of any length."""
ECHOED_CHARACTERS: Final = 2000
"""Of a line that is no JSON, so much is given back."""


class BadLine(ValueError):
    """A line that cannot be answered, with what can be given back of it: the parsed value, or else the text."""

    def __init__(
        self, code: str, message: str, text: str = "", value: Any = None, nearest: tuple[str, ...] = ()
    ) -> None:
        super().__init__(message)
        self.code, self.message, self.text, self.value, self.nearest = code, message, text, value, nearest

    def line(self) -> str:
        """The error as a line of JSON."""
        said = {"code": self.code, "message": self.message}
        try:
            return json.dumps(
                {"error": said | {"input": self.text if self.value is None else self.value}}, allow_nan=False
            )
        except (ValueError, RecursionError):
            return json.dumps({"error": said | {"input": self.text[:ECHOED_CHARACTERS]}})


def answer_lines(lines: Iterable[bytes], knowledge: Knowledge, read_file: FileReader | None = None) -> Iterator[str]:
    """One line of JSON for each line: a prediction or an error, never fewer and never more, without line ends.

    `read_file` reads the model files that lines name; without it such lines are refused.
    """
    source = iter(lines)
    while some := list(islice(source, TOGETHER)):
        for outcome in outcomes([_case(line, read_file) for line in some], knowledge):
            yield outcome.line() if isinstance(outcome, BadLine) else outcome.decode()


def is_error(line: str) -> bool:
    """Whether an answer line is an error."""
    return line.startswith('{"error":')


def outcomes(items: Sequence[Unplaced | BadLine], knowledge: Knowledge) -> Iterator[bytes | BadLine]:
    """The JSON of each prediction, or its error, evaluated as arrays."""
    found = iter(_together([item for item in items if isinstance(item, Unplaced)], knowledge))
    for item in items:
        answer = next(found) if isinstance(item, Unplaced) else item
        if isinstance(answer, BadLine) or answer.isascii():
            yield answer
        else:  # one line for readers too that break lines at U+2028 and its like
            yield json.dumps(json.loads(answer)).encode()


def _together(asked: list[Unplaced], knowledge: Knowledge) -> Sequence[bytes | BadLine]:
    """The JSON of questions placed and evaluated as arrays; where that fails, of each by itself."""
    try:
        return answers_json(cases_of(asked), knowledge)
    except Exception as error:  # noqa: BLE001 - one line's defect must not take the others' answers along
        if len(asked) > 1:
            return [item for one in asked for item in _together([one], knowledge)]
        return [_bad(error, asked[0].scenario.model_dump(mode="json"), "")]


def _bad(error: Exception, value: Any, text: str) -> BadLine:
    """What is wrong with a question: what it names or says, else a defect of ours."""
    if isinstance(error, ValidationError):
        return BadLine("invalid_scenario", complaint(error, Scenario), text, value)
    if isinstance(error, UnknownName):
        return BadLine("ambiguous_name" if error.ambiguous else "unknown_name", str(error), text, value, error.nearest)
    if isinstance(error, InputError):
        return BadLine("invalid_input", str(error), text, value)
    bad = BadLine("internal_error", f"this could not be worked out ({type(error).__name__}: {error})", text, value)
    bad.__cause__ = error
    return bad


def _case(line: bytes, read_file: FileReader | None) -> Unplaced | BadLine:
    try:
        text = _text(line)
        return worked_out(_object(text), read_file, text)
    except BadLine as bad:
        return bad


def worked_out(value: Any, read_file: FileReader | None = None, text: str = "") -> Unplaced | BadLine:
    """A parsed question with its names resolved, or why it cannot be; `text` is what it was parsed from."""
    try:
        scenario = Scenario.model_validate(value)
        return asked_of(scenario, _file(scenario, read_file))
    except Exception as error:  # noqa: BLE001 - one line's defect must not take the others' answers along
        return _bad(error, value, text)


def _file(scenario: Scenario, read_file: FileReader | None) -> "ModelFile | None":
    """The model file of a line that names one."""
    if not isinstance(scenario.model, GgufFile | HfModel) or read_file is None:
        return None
    try:
        return read_file(scenario.model, scenario.quant)
    except InputError as error:
        raise InputError(f"model.{'gguf' if isinstance(scenario.model, GgufFile) else 'hf'}: {error}") from None


def _text(line: bytes) -> str:
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError as error:
        message = f"the line is not UTF-8: byte {error.start} is 0x{line[error.start]:02x}"
        raise BadLine("invalid_utf8", message, line.decode("utf-8", "replace").strip()[:ECHOED_CHARACTERS]) from None
    if not text:
        raise BadLine("empty_line", "the line is empty: give one JSON object per line", "")
    return text


def _object(text: str) -> dict[str, Any]:
    shown = text[:ECHOED_CHARACTERS]
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise BadLine(
            "invalid_json", f"the line is not JSON: {error.msg.lower()} at column {error.colno}", shown
        ) from None
    except RecursionError:
        raise BadLine("invalid_json", "the line nests too deeply to be a scenario", shown) from None
    except ValueError as error:
        raise BadLine("invalid_json", f"the line holds a number that is none: {error}", shown) from None
    if not isinstance(value, dict):
        raise BadLine("not_an_object", "the line must hold one JSON object, a scenario", text, value)
    return value


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
