"""Builds side by side: what each does and costs, which is the best in each row and by how much; all pure.

Compared for a task, each is also told whether it is fast enough for it and which model is the best that it runs well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from advisor.answer import LIMITS, Prediction
from advisor.buying.report import tokens
from advisor.choosing.runnable import Runnable
from advisor.choosing.tasks import TASKS, Purpose, TaskName
from advisor.documents import seconds
from advisor.market.money import Exchange
from advisor.sizes.quality import default_quant
from catalog.names.quants import resolve_quant
from webapp.build_rows import PLACES, Row, said
from webapp.cards import Fact, times
from webapp.described import DescribedBuild
from webapp.explorer import quality_words
from webapp.words import pace, price_dates

NEXT = " than the next"
"""How a difference in words ends."""
OF_THE_NEXT = ("cheaper", "less", "sooner")
"""Differences that are a share of the next value: half of it is 50 % less."""
COUNTS = {2: "two", 3: "three"}
"""Of builds, fewer than can be compared."""
GRADES = ("comfortable", "good")
"""Of a build that is fast enough, best first."""


@dataclass(frozen=True, slots=True)
class Sides:
    """What stands side by side, one of each for every build."""

    found: Sequence[DescribedBuild]
    people: Sequence[Prediction]
    """The same with four who write at once."""
    task: TaskName | None = None
    models: Sequence[Sequence[Runnable]] = ()
    """For a task: the models that each runs, the best first."""

    @property
    def answers(self) -> list[Prediction]:
        """What each does."""
        return [item.prediction for item in self.found]


def titles(found: Sequence[DescribedBuild]) -> list[str]:
    """A short name for each build, told apart where two are called the same."""
    names = [item.build.name if item.build else item.prediction.machine.split(" | ")[0] for item in found]
    return [name if names.count(name) == 1 else f"{name} ({at})" for at, name in enumerate(names, 1)]


def facts(found: Sequence[DescribedBuild], day: date, exchange: Exchange) -> list[Row]:
    """The table: one column per build, one row per fact."""
    columns = []
    for item in found:
        answer, build, ram = item.prediction, item.build, item.prediction.scenario.hardware.ram
        first, speed = answer.time_to_first_token_s, answer.decode_tok_s
        kind = f"{ram.type}-{ram.mt_s}" if ram.type and ram.mt_s else ram.type or ""
        memory = " ".join(filter(None, (f"{ram.gb:g} GB" if ram.gb else "", kind))) or "not said"
        columns.append({
            "Model": f"{answer.model} {answer.quant}",
            "Processor": answer.machine.rpartition(" | ")[2], "Memory": memory,
            "Price": exchange.said(build.price_usd) if build else "no price",
            "Prices of": price_dates(build.parts, day) if build else item.why_not,
            "Writes, tok/s": said(speed), "Reads, tok/s": said(answer.prefill_tok_s),
            "Price of each tok/s": exchange.said(build.usd_per_tok_s) if build else "",
            "First token": seconds(first) if first is not None else "",
            "Longest context": tokens(build.longest_context_tokens) if build else "",
            "Power": f"{build.power_w:.0f} W" if build else "",
            "Where the model lies": PLACES.get(answer.regime, answer.regime),
            "n_cpu_moe": str(answer.placement.n_cpu_moe),
            "VRAM used": f"{answer.placement.vram_gb:.1f} GiB", "RAM used": f"{answer.placement.ram_gb:.1f} GiB",
            "Limited by": LIMITS[answer.bottleneck].short if answer.bottleneck else "",
            "Mind": "; ".join(note.message for note in (*(build.notes if build else ()), *answer.warnings)),
        })
    named = list(zip(titles(found), columns, strict=True))
    return [{"Fact": fact, **{name: column[fact] for name, column in named}} for fact in columns[0]]


@dataclass(frozen=True, slots=True)
class Shared:
    """The model that machines are compared with."""

    name: str
    quant: str
    served: int
    """So many of the machines run it well."""


def shared_model(runs: Sequence[Sequence[Runnable]]) -> Shared | None:
    """The model to compare machines with: one that as many as can be run well, of these the best; compressed as most
    people take it, or more where the smallest machine asks for that. None where none runs any.
    """
    shelves = [{row.llm.name: row for row in rows} for rows in runs if rows]
    names = dict.fromkeys(name for shelf in shelves for name in shelf)

    def worth(name: str) -> tuple[int, int, float]:
        rows = [shelf[name] for shelf in shelves if name in shelf]
        return sum(row.serves for row in rows), len(rows), min(row.quality for row in rows)

    best = max(names, key=worth, default=None)
    if best is None:
        return None
    rows = [shelf[best] for shelf in shelves if best in shelf]
    smallest = min((row.case.quant for row in rows), key=lambda quant: quant.bits_per_weight)
    usual = resolve_quant(default_quant(rows[0].llm)).row
    quant = min(usual, smallest, key=lambda quant: quant.bits_per_weight)
    return Shared(best, quant.name, worth(best)[0])


def compared(sides: Sides, exchange: Exchange, units: str) -> list[Fact]:
    """A row for each question, its best value, and the difference of the best to the next in words."""
    answers, builds = sides.answers, [item.build for item in sides.found]
    decode = [answer.decode_tok_s.p50 if answer.decode_tok_s else None for answer in answers]
    prefill = [answer.prefill_tok_s.p50 if answer.prefill_tok_s else None for answer in answers]
    context = answers[0].scenario.context_tokens()
    together = [answer.aggregate_tok_s.p50 if answer.fits and answer.aggregate_tok_s else None
                for answer in sides.people]
    return [
        *(_for_task(sides, TASKS[sides.task], units) if sides.task else ()),
        _fact("Money", "Price", [build.price_usd if build else None for build in builds], exchange.said, more=False,
              words="cheaper"),
        _fact("Money", "Price of each token a second", [build.usd_per_tok_s if build else None for build in builds],
              exchange.said, more=False, words="better value"),
        _fact("Speed", "Writes", decode, lambda value: pace(value, units), words="faster"),
        _fact("Speed", f"Reads {tokens(context)} in", [context / speed if speed else None for speed in prefill],
              seconds, more=False, words="sooner"),
        _fact("Speed", "Four people, together", together, lambda value: pace(value, units), words="faster"),
        _fact("Room", "Longest context", [build.longest_context_tokens if build else None for build in builds],
              lambda value: tokens(int(value)), words="longer"),
        Fact("Where the model lies", [PLACES.get(answer.regime, answer.regime) for answer in answers], group="Room"),
        _fact("Life", "Power under load", [build.power_w if build else None for build in builds], "{:.0f} W".format,
              more=False, words="less"),
        Fact("Mind", ["; ".join(item.message for item in (*(build.notes if build else ()), *answer.warnings)) or "-"
                      for build, answer in zip(builds, answers, strict=True)], group="Life"),
    ]


def _for_task(sides: Sides, needs: Purpose, units: str) -> list[Fact]:
    """Whether each is fast enough for a task, how long a step takes, and the best model that each runs well."""
    grades = [graded(answer, needs, units) for answer in sides.answers]
    top = next((grade for grade in GRADES if grade in grades), None)
    best = frozenset(at for at, grade in enumerate(grades) if grade == top)
    steps = [
        needs.step_s(answer.decode_tok_s.p50, answer.prefill_tok_s.p50)
        if answer.decode_tok_s and answer.prefill_tok_s else None for answer in sides.answers
    ]
    return [
        Fact("Good enough for it", grades, best if len(best) < len(grades) else frozenset(), group="The task"),
        _fact("The task", "A typical step", steps, seconds, more=False, words="sooner"),
        _best_model(sides.models),
    ]


def graded(answer: Prediction, needs: Purpose, units: str) -> str:
    """How well an answer serves a task, in words; where it does not, why."""
    decode, prefill = answer.decode_tok_s, answer.prefill_tok_s
    if decode is None or prefill is None:
        return "does not run"
    if decode.p50 < needs.least_tok_s:
        return f"too slow: writes {pace(decode.p50, units)}, {pace(needs.least_tok_s, units)} asked for"
    if prefill.p50 * needs.longest_wait_s < needs.reads:
        wait = seconds(needs.reads / prefill.p50)
        return f"too slow: {wait} until it has read, {seconds(needs.longest_wait_s)} asked for"
    return GRADES[0] if decode.p50 >= needs.pleasant_tok_s else GRADES[1]


def _best_model(models: Sequence[Sequence[Runnable]]) -> Fact:
    """The best model that each build runs well; models whose ranges of quality overlap are equal."""
    rows = [next((row for row in of if row.serves), None) for of in models]
    texts = [f"{row.llm.name} {row.answer.quant}, quality {quality_words(row)}" if row else "none" for row in rows]
    name, group = "Best model that it runs well", "The task"
    known = sorted((row for row in rows if row and row.choice), key=lambda row: -row.quality)
    others = [row for row in known if row.llm.name != known[0].llm.name]
    if not others:
        return Fact(name, texts, difference="the same model" if len(known) > 1 else "", group=group)
    first, second = known[0].choice, others[0].choice
    if first is None or second is None or first.low <= second.high:
        return Fact(name, texts, difference="about equal: their ranges overlap", group=group)
    best = frozenset(at for at, row in enumerate(rows) if row and row.llm.name == known[0].llm.name)
    return Fact(name, texts, best, f"better{NEXT}", group)


def winners(titles: Sequence[str], facts: Sequence[Fact]) -> list[str]:
    """What each build alone is best at, and by how much, in words."""
    lines = []
    for at, title in enumerate(titles):
        won = [f"{fact.name[:1].lower()}{fact.name[1:]} ({fact.difference.removesuffix(NEXT)})"
               for fact in facts if fact.best == {at} and fact.difference]
        lines.append(f"{title}: {'; '.join(won) or 'in no row the best alone'}")
    return lines


def _fact(
    group: str, name: str, values: Sequence[float | None], said: Callable[..., str], *, words: str, more: bool = True
) -> Fact:
    """One row: where two values are known, the best of them and by how much it is better than the next."""
    texts = ["not known" if value is None else said(value) for value in values]
    known = sorted((value for value in values if value is not None), reverse=more)
    if len(known) < 2:
        return Fact(name, texts, group=group)
    by = times(max(known[:2]), min(known[:2]))
    if by == "the same":
        alike = sum(times(max(value, known[0]), min(value, known[0])) == "the same" for value in known)
        many = "about" if alike == len(known) else f"the best {COUNTS[alike]} are about"
        return Fact(name, texts, difference=f"{many} the same", group=group)
    if words in OF_THE_NEXT and known[0] > 0:
        by = f"{1 - known[0] / known[1]:.0%}".replace("%", " %")
    best = frozenset(place for place, text in enumerate(texts) if text == said(known[0]))
    return Fact(name, texts, best, f"{by.replace(' more', '')} {words}{NEXT}", group)


def speeds(found: Sequence[DescribedBuild]) -> list[Row]:
    """Writing speeds for the chart; a build that does not run has none."""
    return [
        {"name": name, "speed": speed.p50, "low": speed.p05, "high": speed.p95, "said": said(speed)}
        for name, item in zip(titles(found), found, strict=True) if (speed := item.prediction.decode_tok_s)
    ]
