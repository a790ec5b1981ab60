"""Links restore states: what is written is read back, and what cannot be read is said."""

from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from advisor.buying.wish import ALL_KINDS
from webapp.links import (
    BuildState,
    BuyState,
    CompareState,
    LostState,
    MachineState,
    ModelsState,
    State,
    TrustState,
    read,
    write,
)

NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=30).map(str.strip)
STATES = st.one_of(
    st.builds(
        BuyState, model=NAMES, context=st.just(0) | st.integers(256, 10**7), users=st.integers(1, 64),
        condition=st.sampled_from(["new", "used", "any"]), task=st.sampled_from(["chat", "agent", "vision"]),
        budget=st.none() | st.floats(1, 1e7), speed=st.none() | st.floats(0, 1e5), tinkerer=st.booleans(),
        own=st.lists(NAMES.filter(bool), max_size=4).map(tuple),
        kinds=st.lists(st.sampled_from(ALL_KINDS), unique=True).map(tuple),
        currency=st.sampled_from(["USD", "EUR"]), kwh=st.none() | st.floats(0, 10),
    ),
    st.builds(BuildState, build=NAMES, model=NAMES, hours=st.floats(0, 24), units=st.sampled_from(["tokens", "words"])),
    st.builds(MachineState, gpu=NAMES, gpus=st.integers(1, 8), ram=NAMES),
    st.builds(ModelsState, ram=NAMES, speed=st.sampled_from(["decode", "prefill"])),
    st.builds(
        CompareState, build=st.lists(NAMES.filter(bool), max_size=4).map(tuple), model=NAMES,
        task=st.sampled_from(["", "chat", "agent"]), context=st.just(0) | st.integers(256, 10**7),
    ),
    st.builds(LostState, address=NAMES),
    st.builds(TrustState, card=NAMES, regime=st.lists(NAMES.filter(bool), max_size=3).map(tuple)),
)


@given(STATES)
def test_a_link_restores_the_state_it_was_written_from(state: State) -> None:
    """Through a real query string; numbers are written with 12 digits."""
    query = urlencode(write(state), doseq=True)
    restored, complaints = read(type(state), parse_qs(query, keep_blank_values=True))
    assert complaints == []
    for name in type(state).model_fields:
        value = getattr(state, name)
        assert getattr(restored, name) == (pytest.approx(value, rel=1e-11) if isinstance(value, float) else value)


def test_a_state_as_it_is_at_first_needs_no_parameters() -> None:
    assert write(BuyState()) == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [("budget", "-5"), ("budget", "nan"), ("context", "12.5"), ("condition", "stolen"), ("kinds", "toaster"),
     ("task", "cook"), ("currency", "dollars")],
)
def test_a_value_that_cannot_be_used_is_said_and_passed_over(name: str, value: str) -> None:
    state, complaints = read(BuyState, {name: [value], "speed": ["20"]})
    assert getattr(state, name) == getattr(BuyState(), name)
    assert state.speed == pytest.approx(20)
    assert complaints == [f"The link's {name} {value!r} cannot be used here: the usual value is taken."]


def test_more_builds_than_can_be_compared_are_refused() -> None:
    state, complaints = read(CompareState, {"build": ["RTX 3090"] * 5})
    assert (state.build, len(complaints)) == ((), 1)
