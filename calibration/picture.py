"""A picture written to a file by matplotlib, which comes with the extra `plots`."""

from base64 import b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

from advisor.errors import InputError

FORMATS = (".png", ".svg", ".html")
DPI = 90
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<img alt="{title}" style="max-width:100%" src="data:image/svg+xml;base64,{picture}"></html>
"""


class Picture:
    """An empty figure for a file, whose ending decides the format. Size in inches.

    Raises `InputError` for another ending or without matplotlib, before anything is drawn.
    """

    def __init__(self, target: str, width: float, height: float) -> None:
        self._path = Path(target)
        if self._path.suffix not in FORMATS:
            raise InputError(f"--plot {target!r} must end in {', '.join(FORMATS)}")
        try:
            from matplotlib.figure import Figure
        except ImportError:
            raise InputError("--plot needs matplotlib: pip install 'llm-hardware-advisor[plots]'") from None
        self.figure: Any = Figure(figsize=(width, height), dpi=DPI, layout="constrained")

    def save(self, title: str) -> None:
        """Write it; `title` is its alternative text in a page. Raises `InputError` where it cannot be written."""
        drawn = BytesIO()
        html = self._path.suffix == ".html"
        self.figure.savefig(drawn, format="svg" if html else self._path.suffix[1:])
        page = PAGE.format(title=title, picture=b64encode(drawn.getvalue()).decode()).encode()
        partial = self._path.with_name(f".{self._path.name}.partial")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(page if html else drawn.getvalue())
            partial.replace(self._path)
        except OSError as error:
            raise InputError(f"--plot {str(self._path)!r} cannot be written: {error.strerror}") from None
