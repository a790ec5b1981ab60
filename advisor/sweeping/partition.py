"""One block of a sweep: its rows worked out as arrays and written as one Parquet file, whole or not at all.

The same code runs in this process, in others, and on the workers of a cluster.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from advisor.extras import lacking
from advisor.files import new_file
from advisor.physics.fleet import Speeds, speeds_on
from advisor.physics.knowledge import load
from advisor.physics.placement import STRATEGIES
from advisor.sweeping.grid import Chunk, Grid, grid_of
from catalog.units import GIB


def write_chunk(spec: str, folder: str, number: int) -> tuple[int, int]:
    """Work out one block of the sweep with that specification and write it; its number and how many rows it has.

    A block written twice, as by a worker that was taken for lost, is the same file in the same place.
    """
    grid = grid_of(spec)
    chunk = grid.chunks[number]
    table = columns_of_chunk(grid, chunk)
    parquet = parquet_module()
    with new_file(Path(folder) / chunk.file, chunk.file) as file:
        # Written alike by all who write it: the bytes of a file depend on its rows alone.
        parquet.write_table(table, file, compression="zstd", use_dictionary=True, write_statistics=True)
    return number, table.num_rows


def columns_of_chunk(grid: Grid, chunk: Chunk) -> Any:
    """The rows of a block as an Arrow table."""
    import pyarrow as pa

    case, fleet = grid.case(chunk.question), grid.fleet(chunk)
    found = speeds_on(fleet, case, case.scenario, load().efficiencies)
    model, quant, context, users, kv_type = grid.questions[chunk.question]
    many = chunk.stop - chunk.start

    def same(value: str) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array(np.zeros(many, np.int32)), pa.array([value]))

    def named(places: Any, names: Sequence[Any]) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array(places.astype(np.int32)), pa.array(list(names), pa.string()))

    nothing, none = np.zeros(many, dtype=np.intp), pa.nulls(many, pa.float64())
    if chunk.whole:
        gpu = link = cpu = named(nothing, [""])
        machine = named(np.arange(many), grid.spec.hardware.machines[chunk.start : chunk.stop])
        speed, size = none, pa.array(fleet.ram_bytes[fleet.size_at] / GIB)
    else:
        axes, places = grid.axes, grid.places(chunk)
        gpu, link, cpu = (named(place, axis) for place, axis in zip(places[:3], axes[:3], strict=True))
        machine, speed = named(nothing, [""]), pa.array(np.array(axes[3], dtype=float)[places[3]], from_pandas=True)
        size = pa.array(np.array(axes[4], dtype=float)[places[4]])
    return pa.table({
        "model": same(model), "quant": same(quant), "context_tokens": pa.array(np.full(many, context)),
        "users": pa.array(np.full(many, users, dtype=np.int32)), "kv_type": same(kv_type),
        "gpus": gpu, "pcie": link, "cpu": cpu, "machine": machine, "ram_mt_s": speed, "ram_gb": size,
        **_answers(found, users, grid.spec.prompt_tokens),
    })


def _answers(found: Speeds, users: int, prompt_tokens: int) -> dict[str, Any]:
    """What is predicted of each row; speeds are null where it cannot run."""
    import pyarrow as pa

    lies, at = found.placed, found.placed.at
    rooms, cannot = lies.rooms, ~found.runs
    strategies = pa.array(lies.strategies[at].astype(np.int32))
    in_ram = rooms.ram_bytes - rooms.storage_bytes
    return {
        "fits": pa.array(rooms.fits[at]),
        "strategy": pa.DictionaryArray.from_arrays(strategies, pa.array(list(STRATEGIES))),
        "n_gpu_layers": pa.array(rooms.n_gpu_layers[at].astype(np.int32)),
        "n_cpu_moe": pa.array(rooms.n_cpu_moe[at].astype(np.int32)),
        "vram_used_gb": pa.array(rooms.vram_bytes.sum(axis=1)[at] / GIB),
        "ram_used_gb": pa.array(in_ram[at] / GIB),
        "storage_gb": pa.array(rooms.storage_bytes[at] / GIB),
        "decode_tok_s": pa.array(1 / found.decode_s, mask=cannot),
        "aggregate_tok_s": pa.array(users / found.decode_s, mask=cannot),
        "prefill_tok_s": pa.array(prompt_tokens / found.prefill_s, mask=cannot),
    }


def parquet_module() -> Any:
    """Pyarrow's Parquet. Raises `InputError` where it is not installed."""
    try:
        from pyarrow import parquet
    except ImportError:
        raise lacking("a sweep", "sweep") from None
    return parquet
