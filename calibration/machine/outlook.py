"""What a calibrated machine does with well-known models, what limits it, and what an upgrade of it would change.

All of it is predicted: by the machine's own numbers, and with what is said beside each upgrade.
"""

from dataclasses import dataclass

from advisor.answer import Prediction
from advisor.buying.changes import gain_share, speed_tok_s, usual_changes
from advisor.physics.coefficients import COEFFICIENTS
from advisor.physics.knowledge import Knowledge
from advisor.prediction.prediction import predict_many
from advisor.profiles.own_machine import hardware_of, knowledge_of
from advisor.question import Engine, Hardware, Scenario
from catalog.profiles import Profile

MODELS = ("Qwen3.6-35B-A3B", "gpt-oss-20b", "Llama-3.1-8B")
"""One model with many small experts, one with fewer, one without any."""
CONTEXT_TOKENS = 8192
LEAST_CHANGE = 0.005
"""Upgrades that change the speed of no model by more are not shown."""
OF_CARD = ("{backend}", "{chip}")
"""Labels of the coefficients that another graphics card brings its own of."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A change of the machine, what it gives each model of `MODELS`, and what was assumed.

    `tok_s` and `gain_share` (of the decode speed) are None where the model does not fit; the gain also where it did not
    fit before.
    """

    what: str
    assumed: str
    tok_s: tuple[float | None, ...]
    gain_share: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Outlook:
    """The well-known models on the machine as it is, and upgrades. `gaps`: what could not be looked at, and why."""

    now: tuple[Prediction, ...]
    upgrades: tuple[Outcome, ...]
    gaps: tuple[str, ...]


def outlook(profile: Profile, shipped: Knowledge) -> Outlook:
    """What the machine of a profile does, and would do. Raises `InputError` as `hardware_of` and `knowledge_of`."""
    hardware = hardware_of(profile)
    own, beside = knowledge_of(profile, shipped), knowledge_of(_without_card(profile), shipped)
    now = _predicted(hardware, own)
    changes, gaps = usual_changes(hardware)
    upgrades = []
    for change in changes:
        after = _predicted(change.hardware, beside if change.other_card else own)
        speeds = tuple(map(speed_tok_s, after))
        gains = tuple(gain_share(speed_tok_s(old), new) for old, new in zip(now, speeds, strict=True))
        if any(_matters(*pair) for pair in zip(speeds, gains, strict=True)):
            upgrades.append(Outcome(change.said("instead of"), change.mind, speeds, gains))
    return Outlook(tuple(now), tuple(upgrades), gaps)


def _matters(speed: float | None, gain: float | None) -> bool:
    """Whether a model fits only now, or its speed changes."""
    return speed is not None if gain is None else abs(gain) >= LEAST_CHANGE


def _without_card(profile: Profile) -> Profile:
    """The profile without what it says of the graphics card."""
    cards = {item.name for item in COEFFICIENTS if any(template.startswith(OF_CARD) for template, _ in item.pools)}
    kept = tuple(shift for shift in profile.effects if shift.coefficient not in cards)
    return profile.model_copy(update={"effects": kept})


def _predicted(hardware: Hardware, knowledge: Knowledge) -> list[Prediction]:
    engine = Engine(n_ctx=CONTEXT_TOKENS)
    return predict_many([Scenario(model=model, hardware=hardware, engine=engine) for model in MODELS], knowledge)
