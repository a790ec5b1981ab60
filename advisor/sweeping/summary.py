"""What a sweep found, in a table: one row for each model, quantisation, context and number of users."""

from pathlib import Path
from typing import Any

from advisor.errors import InputError

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
        raise InputError("--summary needs pandas: pip install 'llm-hardware-advisor[sweep]'") from None
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
