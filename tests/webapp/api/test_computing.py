"""Long computations in processes of their own: stopped where nobody waits, done again where a process dies."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import psutil
import pytest

from tests.webapp.api.running import SCENARIO, Server, request_of
from webapp.api.computing import NICENESS, Turns
from webapp.api.gate import ClientLeft
from webapp.api.problems import Refused

T = TypeVar("T")
FOR_EVER = partial(exec, "while True: pass")
NEAR_S = 1.0


def with_turns(use: Callable[[Turns], Awaitable[T]], timeout_s: float = 60.0) -> T:
    """What `use` gives, with turns for two."""

    async def used() -> T:
        turns = Turns(2, timeout_s)
        try:
            return await asyncio.wait_for(use(turns), 100)
        finally:
            turns.close()

    return asyncio.run(used())


async def asked(turns: Turns, work: "partial[T]", client: str = "somebody") -> T:
    return await turns.computed(request_of(client, b""), repr(work), work)


def children(of: int | None = None) -> list[psutil.Process]:
    return [child for child in psutil.Process(of).children() if any("computing" in word for word in child.cmdline())]


def cpu_s(process: psutil.Process) -> float:
    return process.cpu_times().user + process.cpu_times().system


@pytest.mark.parametrize("ends", ["too slow", "left"])
def test_a_computation_ends_at_its_next_line_once_nobody_waits_and_its_process_goes_on(ends: str) -> None:
    async def use(turns: Turns) -> tuple[int, int, float]:
        before = await asked(turns, partial(os.getpid))
        request = request_of("stranger", b"", leaves_after_s=0.3 if ends == "left" else None)
        with pytest.raises(ClientLeft if ends == "left" else Refused):
            await turns.computed(request, "key", FOR_EVER)
        await asyncio.sleep(NEAR_S)
        after = await asked(turns, partial(os.getpid))
        spent = cpu_s(psutil.Process(after))
        await asyncio.sleep(NEAR_S)
        return before, after, cpu_s(psutil.Process(after)) - spent

    before, after, spent_s = with_turns(use, 5.0)
    assert before == after
    assert spent_s < NEAR_S / 4


def test_what_is_left_before_its_process_has_started_is_not_computed(tmp_path: Path) -> None:
    work = partial(exec, f"import os, time\ntime.sleep(0.5)\nos.mkdir({str(tmp_path / 'computed')!r})")

    async def use(turns: Turns) -> None:
        with pytest.raises(ClientLeft):
            await turns.computed(request_of("stranger", b"", 0.0), "key", work)
        assert await asked(turns, partial(os.getpid)) in [child.pid for child in children()]

    with_turns(use)
    assert not (tmp_path / "computed").exists()


def test_a_computation_whose_process_is_killed_is_done_by_another_one(tmp_path: Path) -> None:
    async def use(turns: Turns) -> bool:
        first = await asked(turns, partial(os.getpid))
        waiting = asyncio.create_task(asked(turns, partial(time.sleep, 1)))
        await asyncio.sleep(0.3)
        psutil.Process(first).kill()
        await waiting
        return first != await asked(turns, partial(os.getpid))

    assert with_turns(use)


def test_a_process_that_was_killed_while_it_had_nothing_to_do_is_replaced() -> None:
    async def use(turns: Turns) -> bool:
        first = psutil.Process(await asked(turns, partial(os.getpid)))
        first.kill()
        return first.pid != await asked(turns, partial(os.getpid))

    assert with_turns(use)


def test_a_computation_that_ends_each_process_costs_its_own_answer_alone() -> None:
    async def use(turns: Turns) -> int:
        with pytest.raises(RuntimeError, match="ended, and so did another"):
            await asked(turns, partial(os._exit, 3))
        return await asked(turns, partial(pow, 2, 10))

    assert with_turns(use) == 1024


def test_errors_come_as_they_were_raised_and_say_where() -> None:
    async def use(turns: Turns) -> None:
        with pytest.raises(ValueError, match="invalid literal") as raised:
            await asked(turns, partial(int, "x"))
        assert "Traceback" in raised.value.__notes__[0]
        refusal = Refused("unknown_name", "nobody knows it", ("a", "b"), {"retry-after": "1"})
        with pytest.raises(Refused) as refused:
            await asked(turns, partial(_raise, refusal))
        assert vars(refused.value) == vars(refusal)
        with pytest.raises(RuntimeError, match="Unsendable"):
            await asked(turns, partial(_raise_unsendable))
        assert await asked(turns, partial(pow, 2, 3)) == 8

    with_turns(use)


def _raise(error: Exception) -> None:
    raise error


class Unsendable(Exception):
    """Can be sent, but not read: it is made of two words, and keeps one."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(f"{one} {two}")


def _raise_unsendable() -> None:
    raise Unsendable("one", "two")


def test_computations_give_way_to_short_questions() -> None:
    async def use(turns: Turns) -> int:
        return await asked(turns, partial(os.nice, 0))

    assert with_turns(use) == min(19, os.nice(0) + NICENESS)


def test_one_client_computes_one_thing_at_a_time_and_another_does_not_wait_for_it() -> None:
    async def use(turns: Turns) -> int:
        mine = [asyncio.create_task(asked(turns, partial(time.sleep, 1 + n / 100), "stranger")) for n in range(3)]
        await asyncio.sleep(0)
        assert await asked(turns, partial(pow, 2, 3), "other") == 8
        done = sum(task.done() for task in mine)
        await asyncio.gather(*mine)
        return done

    assert with_turns(use) <= 1


def test_a_batch_is_answered_though_its_process_is_killed(server: Server) -> None:
    server.predict({"scenarios": [SCENARIO]})
    computing = children(server.process.pid)
    assert computing
    for child in computing:
        child.kill()
    answer = server.predict({"scenarios": [SCENARIO] * 3})
    assert (answer.status_code, len(answer.json()["predictions"])) == (200, 3)
