"""GET /v1/accuracy: what `advisor accuracy --json` computes from the shipped evidence, computed once and kept."""

import asyncio
import logging
import sys
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import Response

from advisor.files import write_whole
from webapp.api.answers import Computing
from webapp.api.documents import ACCURACY
from webapp.api.entities import Entity
from webapp.api.service import service_of
from webapp.api.telemetry import tell

router = APIRouter()
WAIT_S = 2.0
"""An answer that takes longer is promised for later."""
ASK_AGAIN_S = 10
LONGEST_S = 600.0


class AccuracyFigures:
    """The figures of this version of the program, kept in a folder for all workers and for the next start."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._task: asyncio.Task[Entity] | None = None

    async def get(self) -> Entity | None:
        """The figures, or None while they are being computed."""
        if self._task is None or (self._task.done() and _failed(self._task)):
            self._task = asyncio.create_task(self._found())
        done, _ = await asyncio.wait({self._task}, timeout=WAIT_S)
        return self._task.result() if done else None

    async def _found(self) -> Entity:
        path = self._folder / f"accuracy-{await asyncio.to_thread(_digest)}.json"
        if not path.is_file():
            content = await _computed()
            await asyncio.to_thread(write_whole, path, content)
        return Entity(await asyncio.to_thread(path.read_bytes))

    async def close(self) -> None:
        """Stop computing."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task})


def _failed(task: asyncio.Task[Entity]) -> bool:
    return task.cancelled() or task.exception() is not None


async def _computed() -> bytes:
    """The command's output; in a process of its own, since minutes of arithmetic would hold up other answers."""
    command = (sys.executable, "-m", "advisor", "accuracy", "--json")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        async with asyncio.timeout(LONGEST_S):
            content, _ = await process.communicate()
    except BaseException:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        tell(logging.ERROR, "accuracy failed", exit_code=process.returncode)
        raise RuntimeError("the accuracy could not be computed")
    return content


def _digest() -> str:
    """Of all that the figures depend on: the program's version, the evidence and the tables."""
    found = sha256(version("llm-hardware-advisor").encode())
    for package, folder in (("calibration", "evidence"), ("catalog", "data")):
        for path in sorted(Path(str(files(package))).joinpath(folder).glob("*.csv")):
            found.update(path.read_bytes())
    return found.hexdigest()[:24]


@router.get("/v1/accuracy", **ACCURACY)
async def accuracy(request: Request) -> Response:
    """Predicted against measured speeds on machines that were never fitted; 202 while the figures are computed."""
    found = await service_of(request).accuracy.get()
    if found is None:
        headers = {"retry-after": str(ASK_AGAIN_S), "cache-control": "no-store"}
        return Response(Computing().model_dump_json(), 202, headers, "application/json")
    return found.answer(request)
