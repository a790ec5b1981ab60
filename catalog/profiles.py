"""Row type of a machine's calibration profile: what its own runs say beyond the shipped efficiencies.

A profile travels as JSON between machines and is uploaded to servers, so every text has a longest length, every list a
largest size, and every number is finite: what is too large is refused before it is looked at closely.
"""

import json
from collections.abc import Mapping
from datetime import date
from hashlib import sha256
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, from_json

from catalog.efficiency import Spread

MAX_BYTES = 1_000_000
"""A profile of a thorough calibration (some hundred runs) has about 100 kB."""
MAX_JSON_DEPTH = 6
MAX_JSON_VALUES = 400
"""Of one JSON object in a profile (hardware, a run's scenario): a scenario of 16 kinds of cards has about 130."""
MAX_LOG_SHIFT = 5.0
MAX_DEVIATIONS = 50.0
"""A coefficient shifted by more than e^5 = 150 times is a mistake of the measurement."""

Name = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._+-]{0,99}$")]
"""Letters, digits, spaces and . _ + - only, so that it is safe as a file's name and in an address."""
Text = Annotated[str, StringConstraints(min_length=1, max_length=300)]
Label = Annotated[str, StringConstraints(max_length=100)]
Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16,128}$")]
Rate = Annotated[float, Field(gt=0, le=1e12, allow_inf_nan=False)]
LogRatio = Annotated[float, Field(ge=-MAX_LOG_SHIFT, le=MAX_LOG_SHIFT, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class EngineBuild(_Part):
    """The engine that made the runs."""

    name: Text
    version: Text | None = None
    build: Text | None = None
    backend: Text


OWN_RUNS = EngineBuild(name="runs of its owner", backend="as told")
"""Stands for the engine in a profile of runs alone, each of which tells its own."""


class Shift(_Part):
    """What this machine adds to the logarithm of one coefficient: to all of it (label "") or for one quant family."""

    coefficient: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,49}$")]
    label: Label = ""
    log_value: LogRatio
    standard_error: Annotated[float, Field(ge=0, le=MAX_LOG_SHIFT, allow_inf_nan=False)]
    informed: bool
    """False: no run of this machine moved it."""


class ProbeResult(_Part):
    """One measured property of the machine, such as RAM bandwidth."""

    name: Text
    unit: Annotated[str, StringConstraints(min_length=1, max_length=30)]
    value: Rate
    spread: Share
    """Standard deviation of the repeats over their median."""
    repeats: Annotated[int, Field(ge=1, le=100_000)]


class MeasuredSpeed(_Part):
    """A measured speed: median in tok/s; `spread` is the standard deviation of the repeats over it, `taken_share` what
    other programs, and other virtual machines on the same host, took of all processors' time.
    """

    tok_s: Rate
    spread: Share
    taken_share: Share = 0.0
    repeats: Annotated[int, Field(ge=1, le=100_000)] = 1


class EngineRun(_Part):
    """One run of the engine: the scenario asked, what it reached, and what the fit says of it without having seen it.

    The scenario's `model` is a name of the catalog, or such a name "cut to" layers, experts or tokens.
    """

    scenario: dict[str, Any]
    file_bytes: Annotated[int, Field(gt=0, le=10**15)] | None = None
    decode: MeasuredSpeed | None = None
    prefill: MeasuredSpeed | None = None
    decode_left_out_tok_s: Rate | None = None
    prefill_left_out_tok_s: Rate | None = None
    """Predicted by a fit of all runs but those of this configuration."""
    held_out: bool = False
    """Not fitted, kept to check the fit with."""

    @field_validator("scenario")
    @classmethod
    def _bounded(cls, value: dict[str, Any]) -> dict[str, Any]:
        return bounded(value)

    @model_validator(mode="after")
    def _measured_something(self) -> Self:
        if self.decode is None and self.prefill is None:
            raise ValueError("a run must hold a decode or a prefill speed")
        return self


class Correlation(_Part):
    """Two shifts that the runs told apart badly, as "coefficient" or "coefficient/label"."""

    first: Text
    second: Text
    value: Annotated[float, Field(ge=-1, le=1, allow_inf_nan=False)]


class DeviceFacts(_Part):
    """A device that the catalog has no row of, such as a remote one, as the probes found it."""

    name: Text
    link_gb_s: Rate
    link_latency_us: Rate
    """Half of the way there and back for 4 KiB."""


class Outline(_Part):
    """What stands first in a profile: of which machine it is, and what measured it when."""

    schema_version: Literal[1] = 1
    name: Name
    fingerprint: Digest
    """Digest of the hardware."""
    seen_as: Digest | None = None
    """Digest of what the system itself tells of the machine, where the calibration was told more or other parts."""
    hardware: dict[str, Any]
    """The scenario's `hardware` object; whoever predicts with it reads it as such."""
    devices: Annotated[tuple[DeviceFacts, ...], Field(max_length=64)] = ()
    engine: EngineBuild
    measured_on: date
    efficiencies_digest: Digest
    """Of the shipped table that the shifts were fitted on; see `catalog.profiles.digest_of`."""

    @field_validator("hardware")
    @classmethod
    def _bounded(cls, value: dict[str, Any]) -> dict[str, Any]:
        return bounded(value)


class Profile(Outline):
    """What a calibration learned on one machine."""

    effects: Annotated[tuple[Shift, ...], Field(max_length=1000)] = ()
    spreads: Annotated[tuple[Spread, ...], Field(max_length=200)] = ()
    """Quantiles of this machine's errors."""
    probes: Annotated[tuple[ProbeResult, ...], Field(max_length=200)] = ()
    runs: Annotated[tuple[EngineRun, ...], Field(max_length=2000)] = ()
    measured: Annotated[tuple[dict[str, Any], ...], Field(max_length=100)] = ()
    """Runs as the owner of the machine told them: scenarios' `measured`; whoever predicts reads them as such."""
    correlations: Annotated[tuple[Correlation, ...], Field(max_length=200)] = ()
    notes: Annotated[tuple[Text, ...], Field(max_length=50)] = ()
    """What to know of the measurement: a busy machine, a throttled clock."""

    @field_validator("measured")
    @classmethod
    def _each_bounded(cls, value: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        return tuple(bounded(run) for run in value)

    @field_validator("spreads")
    @classmethod
    def _usable(cls, value: tuple[Spread, ...]) -> tuple[Spread, ...]:
        for row in value:
            if max(-row.low, row.high) > MAX_DEVIATIONS:
                raise ValueError(f"low and high must lie between {-MAX_DEVIATIONS:g} and {MAX_DEVIATIONS:g}")
            if any(len(text) > 300 for text in (row.speed, row.regime, row.source)):
                raise ValueError("texts must have at most 300 characters")
        return value


class BadProfile(ValueError):
    """The bytes are no calibration profile; the message is one sentence that says why."""


def read_profile(content: bytes) -> Profile:
    """The profile that a file or an upload holds. Raises `BadProfile`."""
    if len(content) > MAX_BYTES:
        raise BadProfile(f"the profile has {len(content):,} bytes; at most {MAX_BYTES:,} are read")
    try:
        value = json.loads(content.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except UnicodeDecodeError as error:
        raise BadProfile(f"the profile is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise BadProfile("the profile nests too deeply") from None
    except json.JSONDecodeError as error:
        raise BadProfile(f"the profile is not JSON: {error.msg.lower()} at line {error.lineno}") from None
    except ValueError as error:
        raise BadProfile(f"the profile holds a number that cannot be read: {error}") from None
    return profile_of(value)


def profile_of(value: object) -> Profile:
    """The profile that parsed JSON holds. Raises `BadProfile`."""
    if not isinstance(value, dict):
        raise BadProfile("the profile must be one JSON object, as `advisor calibrate export` writes it")
    if value.get("schema_version", 1) != 1:
        shown = str(value["schema_version"])[:40]
        raise BadProfile(f"the profile has schema_version {shown}; this program reads 1")
    try:
        return Profile.model_validate(value)
    except ValidationError as error:
        raise BadProfile(_sentence(error)) from None


def outline_of(beginning: bytes) -> Outline | None:
    """What the first bytes of a fitted profile tell, whatever follows. None where they tell no whole outline, or where
    no shifts follow it: such a file has to be read to its end.
    """
    try:
        found = from_json(beginning, allow_partial=True)
    except ValueError:
        return None
    if not isinstance(found, dict) or "effects" not in found:
        return None
    if list(found) != [name for name in Profile.model_fields if name in found]:
        return None  # not as this program writes it: what is expected here may come later
    try:
        return Outline.model_validate({name: found[name] for name in Outline.model_fields if name in found})
    except ValidationError:
        return None


def _sentence(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_input=False)
    first = next((item for item in details if item["type"] == "extra_forbidden"), details[0])
    where = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in first["loc"]).lstrip(".")[:200]
    if first["type"] == "extra_forbidden":
        return f"the profile has no field {where!r}"
    if first["type"] == "missing":
        return f"the profile lacks {where}"
    return f"the profile's {where or 'content'} is refused: {_reason(first)}"


def _reason(item: ErrorDetails) -> str:
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    if item["type"] == "string_pattern_mismatch":
        return f"it does not match {item['ctx']['pattern']}"
    return item["msg"].lower()


def bounded(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON object of a size that a description of hardware or a scenario can have. Raises ValueError."""
    left = MAX_JSON_VALUES
    pending: list[tuple[Any, int]] = [(value, 1)]
    while pending:
        item, depth = pending.pop()
        left -= 1
        if left < 0:
            raise ValueError(f"it holds more than {MAX_JSON_VALUES} values")
        if depth > MAX_JSON_DEPTH:
            raise ValueError(f"it nests more than {MAX_JSON_DEPTH} deep")
        pending += [(inner, depth + 1) for inner in _inside(item)]
    return value


def _inside(item: Any) -> list[Any]:
    """The values in a JSON value; refuses what is too long, and numbers without a value."""
    if isinstance(item, dict):
        return [*item, *item.values()]
    if isinstance(item, list | tuple):
        return list(item)
    if isinstance(item, str):
        if len(item) > 300:
            raise ValueError("it holds a text of more than 300 characters")
    elif isinstance(item, int | float):
        if not -1e15 <= item <= 1e15:
            raise ValueError("it holds a number beyond 10^15")
    elif item is not None:
        raise ValueError(f"it holds a {type(item).__name__}")
    return []


def digest_of(rows: Mapping[tuple[str, str], float]) -> str:
    """Digest of a table of efficiencies, {(coefficient, label): log value}: the same rows give the same digest."""
    lines = (f"{coefficient},{label},{value:.5f}\n" for (coefficient, label), value in sorted(rows.items()))
    return sha256("".join(lines).encode()).hexdigest()


def _refuse_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")
