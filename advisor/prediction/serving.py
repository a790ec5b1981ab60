"""How many people or programs a machine serves at once: the speed of each and of all together, by their number.

Each has a context of its own, so that with many of them part of the model may have to leave the graphics card.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.machines.machine import Machine
from advisor.physics.knowledge import Knowledge
from advisor.prediction.case import SizedModel, asked_of, cases_of
from advisor.prediction.prediction import answers
from advisor.question import Scenario

AT_LEAST_TOK_S = 10.0
"""A person reads about as fast. Source: 250 to 300 words a minute are 6 to 7 tokens a second (Brysbaert 2019, "How many
words do we read per minute?").
"""
SHOWN = (1, 2, 4, 8, 16, 32)
MOST = 128
"""More at once are not looked for."""


@dataclass(frozen=True, slots=True)
class ServedRow:
    """So many users at once: tok/s of each and of all, None where it does not fit."""

    users: int
    each_tok_s: float | None
    together_tok_s: float | None
    regime: str


@dataclass(frozen=True, slots=True)
class Served:
    """Speeds by the number of users, and the most of them that each get so many tok/s at least; 0: not even one."""

    rows: tuple[ServedRow, ...]
    least_tok_s: float
    most: int


def served(
    scenario: Scenario, knowledge: Knowledge, file: SizedModel | None = None, machine: Machine | None = None,
    least_tok_s: float = AT_LEAST_TOK_S, shown: Sequence[int] = SHOWN,
) -> Served:
    """How many a scenario's machine serves; its own number of users does not count. Raises as `case_of`."""

    def asked(numbers: Sequence[int]) -> list[ServedRow]:
        questions = [
            scenario.model_copy(update={"workload": scenario.workload.model_copy(update={"users": number})})
            for number in numbers
        ]
        cases = cases_of([asked_of(question, file, machine) for question in questions])
        found = answers(cases, knowledge, pitfalls=False)
        return [
            ServedRow(
                number, answer.decode_tok_s.p50 if answer.decode_tok_s else None,
                answer.aggregate_tok_s.p50 if answer.aggregate_tok_s else None, answer.regime,
            )
            for number, answer in zip(numbers, found, strict=True)
        ]

    low, high = 0, MOST + 1  # the most that are served lie between: one more makes nobody faster
    while high - low > 1:
        step = max(1, (high - low) // 8)
        tried = asked([*range(low + step, high, step)])
        enough = [row.users for row in tried if (row.each_tok_s or 0.0) >= least_tok_s]
        short = [row.users for row in tried if row.users not in enough]
        low, high = max([low, *enough]), min([high, *short])
    return Served(tuple(asked([*dict.fromkeys((*shown, scenario.workload.users))])), least_tok_s, low)
