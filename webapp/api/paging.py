"""Pages of a list: offset and limit out of an address."""

from typing import Final

from starlette.requests import Request

from webapp.api.problems import Refused

MOST: Final = 200
USUAL: Final = 50
FURTHEST: Final = 10_000_000
PARAMETERS: Final = {
    "parameters": [
        {"name": "offset", "in": "query", "required": False,
         "schema": {"type": "integer", "minimum": 0, "maximum": FURTHEST, "default": 0}},
        {"name": "limit", "in": "query", "required": False,
         "schema": {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL}},
    ]
}  # fmt: skip


def page_of(request: Request) -> tuple[int, int]:
    """Offset and limit. Raises `Refused`."""
    return _number(request, "offset", 0, 0, FURTHEST), _number(request, "limit", USUAL, 1, MOST)


def next_offset(offset: int, shown: int, total: int) -> int | None:
    """Where the next page begins.

    >>> next_offset(0, 50, 120), next_offset(100, 20, 120)
    (50, None)
    """
    return offset + shown if offset + shown < total and shown else None


def _number(request: Request, name: str, usual: int, least: int, most: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return usual
    value = int(text) if text.isascii() and text.removeprefix("-").isdigit() and len(text) < 12 else None
    if value is None or not least <= value <= most:
        raise Refused("invalid_parameter", f"{name} must be a whole number from {least:,} to {most:,}")
    return value
