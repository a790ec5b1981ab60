"""`advisor sweep`: very many predictions, as Parquet files."""

import os
from pathlib import Path

import click

TEXT = """
Predict every model on every machine of a grid, and write the rows to Parquet files in a folder.

SPEC.toml lists what is varied; every combination is a row. A sweep that was interrupted goes on where it was when the
same command runs again. Read the folder with pandas, Polars or DuckDB.

\b
models = ["Qwen3.6-35B-A3B", "gpt-oss-20b"]
quants = ["Q4_K_M", "Q8_0"]
contexts = [0, 32768]
users = [1, 4]
[hardware]
gpus = ["none", "RTX 3090", "2x RTX 3090"]
pcie = ["4x16", "3x8"]
cpus = ["Ryzen 7 5800X"]
ram_mt_s = [3200, 3600]
ram_gb = [32, 64]
machines = ["DGX Spark"]
"""


@click.command("sweep", help=TEXT)
@click.argument("spec", metavar="SPEC.toml", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--output", metavar="FOLDER", required=True, type=click.Path(path_type=Path), help="Where the files go.")
@click.option("--processes", type=click.IntRange(1, 1024), metavar="N", help="Default: one for each core.")
@click.option("--scheduler", metavar="URL", help="Instead: the workers of a Dask cluster, such as tcp://host:8786.")
@click.option("--summary", is_flag=True, help="Print for each question what fits and how fast (needs pandas).")
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON alone.")
def command(
    spec: Path, output: Path, processes: int | None, scheduler: str | None, summary: bool, as_json: bool
) -> None:
    """Run or go on with a sweep; the help that users see is above."""
    from advisor.sweeping.grid import Grid, read_spec
    from advisor.sweeping.running import MANIFEST, summary_of, sweep

    grid = Grid(read_spec(spec))
    grid.check()
    manifest = sweep(grid, output, processes or _cores(), scheduler, _progress)
    if as_json:
        click.echo((output / MANIFEST).read_text(), nl=False)
    else:
        files = len(manifest["files"])
        click.echo(f"{manifest['rows']:,} rows in {files:,} file{'s' * (files > 1)} in {output}")
    if summary:
        click.echo(summary_of(manifest, output), err=as_json)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _progress(done: int, rows: int) -> None:
    click.echo(f"{done:,} of {rows:,} rows", err=True)
