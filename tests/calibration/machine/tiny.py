"""A machine without graphics cards and models of a few megabytes, which the engine measures in no time."""

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

from advisor.engine.session.messages import Measure
from advisor.engine.settings import EngineSettings
from advisor.gguf.synthetic import Cut, Recipe, least_layers
from advisor.machines.from_parts import machine_of
from advisor.physics.knowledge import load
from advisor.question import Hardware
from calibration.machine.campaign import Campaign, Step
from calibration.machine.experiments import Experiment, Ground, Unwritten, experiment
from calibration.machine.probe_models import ProbeModel
from calibration.machine.trials import Journal, Stamp, Trial
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from catalog.profiles import MeasuredSpeed

HARDWARE = Hardware.model_validate(
    {"cpu": "AMD Ryzen 7 5800X", "ram": {"type": "DDR4", "mt_s": 3200, "channels": 2, "gb": 31.3}}
)
"""Eight cores. What is measured is measured on whatever machine the tests run on."""
DENSE, MOE = "SmolLM2-135M", "Granite-3.1-3B-A800M"
VOCABULARY = 512
STAMP = Stamp(fingerprint="0" * 32, engine="1", plan="usual", started_s=1e9)
BRIEF = Measure(depth=0, prompt=32, gen=4, repeats=2, warm_up=1)
DEEPER = Measure(depth=64, prompt=32, gen=4, repeats=1, warm_up=0, seed=2)
EXPECTED_S = 10.0


@cache
def ground() -> Ground:
    """The machine, with nothing to offload layers to."""
    return Ground(machine_of(HARDWARE), HARDWARE, load(), 0)


@cache
def tiny(quant: str, name: str = DENSE, layers: int | None = None) -> ProbeModel:
    """As few layers of a model as run."""
    llm = resolve_llm(name).row.llm
    experts = 8 if llm.n_experts else None
    to = Cut(layers or least_layers(llm), experts, VOCABULARY)
    return ProbeModel(Recipe(llm, resolve_quant(quant).row, to))


def campaign(
    home: Path, models: Sequence[ProbeModel] = (), threads: Sequence[int] = (1,), stamp: Stamp = STAMP, **more
) -> Campaign:
    """A campaign with its files in a folder; one of the same folder goes on with what was measured there."""
    journal = Journal.open(home / "measured.jsonl", stamp)
    more = {"tries": 1} | more  # else a disturbed test machine would have its runs made again
    return Campaign(ground(), threads, models, more.pop("own", {}), home / "probe-models", journal, **more)


def one(model: ProbeModel, threads: int = 1, measures: tuple[Measure, ...] = (BRIEF,)) -> Experiment:
    """A load of a tiny model that is expected to take ten seconds."""
    settings = EngineSettings(n_ctx=256, threads=threads)
    item = experiment(model.file, Unwritten.of(model), settings, ground(), model.recipe.size_bytes, measures)
    return Experiment(item.file, settings, measures, item.expected, EXPECTED_S)


def trial_of(
    item: Experiment, asked: Measure, model: ProbeModel, decode: float, prefill: float, taken_share: float = 0.0
) -> Trial:
    """A trial that measured those speeds, in tok/s, while others took a share of the processors."""
    return Trial(
        model=model.recipe.name, quant=model.recipe.quant.name, file=item.file, settings=item.settings,
        file_bytes=model.recipe.size_bytes, asked=asked,
        decode=MeasuredSpeed(tok_s=decode, spread=0.04, taken_share=taken_share, repeats=3),
        prefill=MeasuredSpeed(tok_s=prefill, spread=0.04, taken_share=taken_share, repeats=3),
    )


class Heard:
    """Listens to the steps of a campaign."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def __call__(self, step: Step) -> None:
        self.steps.append(step)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)
