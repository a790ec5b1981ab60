"""Doing a sweep: which blocks are left, who works them out, and the manifest that says what lies in the folder.

A block is done when its file is there: files appear whole. Whoever is lost in the middle, a process or a worker of a
cluster, loses no row, since its block is handed to another, and doubles none, since a block has one file.
"""

import json
import multiprocessing
from collections.abc import Callable, Generator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

from advisor.errors import InputError
from advisor.extras import lacking
from advisor.files import remove_drafts, write_whole
from advisor.sweeping.grid import Grid, grid_of
from advisor.sweeping.partition import parquet_module, write_chunk

MANIFEST = "manifest.json"
TRIES = 5
"""Pools of processes, and workers of a cluster, that may be lost on the way."""
Told = Callable[[int, int], None]
"""Called with the rows done and the rows in all."""


def sweep(grid: Grid, folder: Path, processes: int, scheduler: str | None, told: Told) -> dict[str, Any]:
    """Work out what is missing of a sweep in a folder, and give its manifest. Raises `InputError`, also for a folder
    that another sweep was begun in.
    """
    parquet = parquet_module()
    _begin(grid, folder)
    done = {chunk.number for chunk in grid.chunks if (folder / chunk.file).exists()}
    rows = sum(chunk.stop - chunk.start for chunk in grid.chunks if chunk.number in done)
    told(rows, grid.rows)
    left = [chunk.number for chunk in grid.chunks if chunk.number not in done]
    spec, place = grid.spec.model_dump_json(exclude_defaults=True), str(folder.resolve())
    work = _on_cluster(spec, place, left, scheduler) if scheduler else _here(spec, place, left, processes)
    with closing(work):
        for _, count in work:
            rows += count
            told(rows, grid.rows)
    parts = [
        {"file": chunk.file, "rows": parquet.read_metadata(folder / chunk.file).num_rows} for chunk in grid.chunks
    ]
    counted = sum(part["rows"] for part in parts)
    if counted != grid.rows:
        raise InputError(f"{str(folder)!r} has {counted:,} rows where {grid.rows:,} belong: name an empty folder")
    manifest = _manifest(grid) | {"complete": True, "files": parts}
    _write(folder, manifest)
    return manifest


def _manifest(grid: Grid) -> dict[str, Any]:
    return {
        "sweep": json.loads(grid.spec.model_dump_json()),
        "digest": grid.spec.digest,
        "advisor": version("llm-hardware-advisor"),
        "rows": grid.rows,
        "questions": len(grid.questions),
        "complete": False,
    }


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    write_whole(folder / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())


def _begin(grid: Grid, folder: Path) -> None:
    """Make the folder and its manifest, or see that they are of this very sweep."""
    path = folder / MANIFEST
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{str(folder)!r} is a file: name a folder")
    if path.exists():
        try:
            known = json.loads(path.read_text())
            alike = (known["digest"], known["advisor"]) == (grid.spec.digest, version("llm-hardware-advisor"))
        except (ValueError, KeyError, TypeError):
            alike = False
        if not alike:
            raise InputError(f"{str(folder)!r} holds another sweep: name another folder, or give the same SPEC.toml")
        for chunk in grid.chunks:
            remove_drafts(folder / chunk.file)
    elif folder.exists() and any(folder.iterdir()):
        raise InputError(f"{str(folder)!r} is not empty and holds no sweep: name another folder")
    else:
        _write(folder, _manifest(grid))


def _here(spec: str, folder: str, left: list[int], processes: int) -> Generator[tuple[int, int], None, None]:
    """Blocks by processes of this computer; what a lost process leaves undone is begun anew, its drafts removed."""
    if processes == 1:
        yield from (write_chunk(spec, folder, number) for number in left)
        return
    context = multiprocessing.get_context("spawn")
    for _ in range(TRIES):
        if not left:
            return
        pool = ProcessPoolExecutor(processes, mp_context=context)
        try:
            waiting: list[Future[tuple[int, int]]] = [pool.submit(write_chunk, spec, folder, item) for item in left]
            for future in as_completed(waiting):
                number, count = future.result()
                left.remove(number)
                yield number, count
        except BrokenProcessPool:
            continue
        finally:
            pool.shutdown(cancel_futures=True)
            for number in left:
                remove_drafts(Path(folder) / grid_of(spec).chunks[number].file)
    if left:
        raise InputError(f"processes were killed {TRIES} times, {len(left)} files are missing: try --processes 1")


def _on_cluster(spec: str, folder: str, left: list[int], scheduler: str) -> Generator[tuple[int, int], None, None]:
    """Blocks by the workers of a Dask cluster, which see the same folder."""
    try:
        from distributed import Client
        from distributed import as_completed as as_finished
    except ImportError:
        raise lacking("--scheduler", "cluster") from None
    try:
        client = Client(scheduler, set_as_default=False, timeout=20)
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {scheduler!r}: {error}") from None
    with client:
        futures = [client.submit(write_chunk, spec, folder, number, pure=False, retries=TRIES) for number in left]
        for future in as_finished(futures, loop=client.loop):
            found: tuple[int, int] = future.result()
            yield found


# What was found, in a table: one row for each model, quantisation, context and number of users.

BY = ["model", "quant", "context_tokens", "users"]
COLUMNS = [*BY, "fits", "decode_tok_s"]


def summary_of(manifest: dict[str, Any], folder: Path) -> str:
    """Rows, the share of machines that it fits, and the middle decode speed of those, as text.

    Files are read one question at a time: of many millions of rows only some are in memory together. Raises
    `InputError` where pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise lacking("--summary", "sweep") from None
    questions = max(1, manifest["questions"])
    each = len(manifest["files"]) // questions
    lines = []
    for question in range(questions):
        files = manifest["files"][question * each : (question + 1) * each]
        rows = pd.concat([pd.read_parquet(folder / part["file"], columns=COLUMNS) for part in files])
        there = rows[rows["fits"]]
        named = rows.iloc[0][BY].to_dict()
        speed = there["decode_tok_s"].median()
        lines.append(named | {"rows": len(rows), "fits_share": rows["fits"].mean(), "median_decode_tok_s": speed})
    return str(pd.DataFrame(lines).to_string(index=False, float_format=lambda number: f"{number:.3g}"))
