"""What is kept is bounded in bytes, whatever is asked."""

import tracemalloc

import pytest

from advisor.kept import Kept, kept, size_of
from advisor.machines.from_parts import KEPT_BYTES, machine_of
from advisor.question import Hardware
from catalog import tables


def test_those_used_last_are_kept_up_to_a_sum_of_bytes() -> None:
    store: Kept[str] = Kept(3000)
    for name in "abcd":
        store.keep(name, name, 700)
        store.get("a")
    assert [store.get(name) for name in "abcd"] == ["a", None, "c", "d"]
    assert store.size_bytes <= 3000


def test_what_is_larger_than_all_the_room_is_not_kept() -> None:
    store: Kept[bytes] = Kept(10_000)
    store.keep("small", b"x")
    store.keep("large", b"x" * 20_000)
    assert len(store) == 0
    assert store.size_bytes == 0


def test_a_function_is_asked_once_and_its_errors_are_not_kept() -> None:
    asked: list[int] = []

    @kept(10_000)
    def half(number: int) -> int | None:
        asked.append(number)
        if number % 2:
            raise ValueError(number)
        return number // 2 or None

    assert [half(4), half(4), half(0), half(0)] == [2, 2, None, None]
    for _ in range(2):
        with pytest.raises(ValueError, match="3"):
            half(3)
    assert asked == [4, 0, 3, 3]


def test_the_size_of_a_value_is_the_memory_that_it_takes() -> None:
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        values = [Hardware.model_validate({"cpu": f"Ryzen {number}" * 20, "gpus": [{"name": f"RTX {number}"}] * 8})
                  for number in range(500)]
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    # Measured against the allocator, whose blocks are rounded up to 16 bytes.
    assert size_of(tuple(values)) == pytest.approx(taken, rel=0.25)


def test_machines_with_the_longest_descriptions_do_not_fill_the_memory() -> None:
    """16 kinds of cards and texts of 300 characters; as many as were kept where they were counted took 600 MB."""
    cards = [row.name for row in tables.gpus()][:16]
    for number in range(3000):
        words = f"Ryzen 7 5800X {'x' * 200} {number}"
        gpus = [{"name": name, "pcie_lanes": 1 + (number + place) % 16} for place, name in enumerate(cards)]
        machine_of(Hardware.model_validate({"cpu": words[:300], "gpus": gpus}))
    assert machine_of.results.size_bytes <= KEPT_BYTES
