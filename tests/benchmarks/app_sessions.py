"""How many visitors the app bears at once: python -m tests.benchmarks.app_sessions [VISITORS]

So many visitors open the first page at the same moment, each with another model that nobody asked for before. They
speak Streamlit's protocol without a browser, so that the figures are the server's alone: seconds until the first and
the last has his answer, that every answer has picks or ways out, and the most memory that the server held.
"""

import asyncio
import contextlib
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from urllib.parse import quote

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import connect
from websockets.typing import Origin, Subprotocol

from catalog import tables
from tests.benchmarks.app_speed import answering, free_port

LATEST_S, MOST_MB = 12.0, 700.0
"""What the pages are meant to keep with twenty visitors on a quiet machine."""
ANSWERED = ("Our pick", "Nothing answers that yet", "No build is worth naming", "the whole list stands below")


def main(visitors: int) -> None:
    """Measure and print."""
    port = free_port()
    command = [sys.executable, "-m", "advisor", "app", "--port", str(port)]
    models = [row.name for row in tables.llms()][1 : visitors + 1]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as app:
        for address in answering(app, f"http://127.0.0.1:{port}"):
            before, spent = memory_mb(app.pid), cpu_s(app.pid)
            found = asyncio.run(all_at_once(address, models))
            after, spent = memory_mb(app.pid), cpu_s(app.pid) - spent
    seconds = [each for each, _ in found]
    print(f"{visitors} visitors on as many models: first answer after {min(seconds):.1f} s, half after "
          f"{median(seconds):.1f} s, last after {max(seconds):.1f} s (meant: {LATEST_S:g} s)")
    print(f"the server computed for {spent:.1f} s")
    print(f"memory at most {after:.0f} MB, {before:.0f} MB before them (meant: {MOST_MB:g} MB)")
    wrong = [model for model, (_, answered) in zip(models, found, strict=True) if not answered]
    if wrong:
        sys.exit(f"without an answer: {', '.join(wrong)}")


def memory_mb(pid: int) -> float:
    """The most memory that a process has held."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmHWM"))


def cpu_s(pid: int) -> float:
    """Seconds that a process has computed: the answer's time on a machine that does nothing else, at most."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def all_at_once(address: str, models: list[str]) -> list[tuple[float, bool]]:
    """Of each visitor the seconds until his page was whole, and whether it had an answer."""
    return list(await asyncio.gather(*(visit(address, f"budget=2000&model={quote(model)}") for model in models)))


async def visit(address: str, query: str) -> tuple[float, bool]:
    """One visitor."""
    asked = BackMsg()
    asked.rerun_script.query_string = query
    start, answered = time.perf_counter(), False
    socket = f"{address.replace('http', 'ws', 1)}/_stcore/stream"
    async with connect(
        socket, origin=Origin(address), subprotocols=[Subprotocol("streamlit")], max_size=None
    ) as line:
        await line.send(asked.SerializeToString())
        with contextlib.suppress(asyncio.TimeoutError):
            while True:
                told = ForwardMsg()
                told.ParseFromString(await asyncio.wait_for(line.recv(decode=False), 120))
                answered = answered or any(word in str(told) for word in ANSWERED)
                if told.WhichOneof("type") == "script_finished":
                    break
    return time.perf_counter() - start, answered


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
