"""Single questions of many clients, worked on together."""

import asyncio
from typing import Any

from advisor.physics.knowledge import Knowledge
from advisor.prediction.batch import BadLine, FileReader, outcomes, worked_out


class Together:
    """Single questions that arrive at nearly the same time are worked on together and evaluated as one array."""

    def __init__(self, read_file: FileReader) -> None:
        self._read_file = read_file
        self._waiting: dict[Knowledge, list[tuple[Any, asyncio.Future[bytes | BadLine]]]] = {}

    async def answer(self, value: Any, knowledge: Knowledge) -> bytes | BadLine:
        """The prediction as JSON, or why there is none."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            # A turn of the loop later: what has arrived by then is read first and comes along.
            loop.call_soon(loop.call_soon, self._evaluate)
        future: asyncio.Future[bytes | BadLine] = loop.create_future()
        self._waiting.setdefault(knowledge, []).append((value, future))
        return await future

    def _evaluate(self) -> None:
        waiting, self._waiting = self._waiting, {}
        for knowledge, pairs in waiting.items():
            asked = [pair for pair in pairs if not pair[1].done()]  # a client that has left needs no answer
            try:
                items = [worked_out(value, self._read_file) for value, _ in asked]
                for (_, future), outcome in zip(asked, outcomes(items, knowledge), strict=True):
                    future.set_result(outcome)
            except Exception as error:  # noqa: BLE001 - a defect must be told to all that wait
                for _, future in asked:
                    if not future.done():
                        future.set_exception(error)
