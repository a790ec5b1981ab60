"""The power that cards draw while something runs, as NVML tells it."""

import threading
from collections.abc import Callable
from statistics import fmean
from types import TracebackType
from typing import Self

from advisor.detection.nvml import Nvml, read_nvml

INTERVAL_S = 0.5
"""Reading all of NVML takes about 40 ms a card."""


class PowerMeter:
    """Samples in a thread of its own from entering to leaving its context; without NVML there is nothing to sample."""

    def __init__(self, read: Callable[[], Nvml] = read_nvml, interval_s: float = INTERVAL_S) -> None:
        self._read, self._interval_s = read, interval_s
        self._samples: dict[str, list[float]] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            cards = self._read().cards
            for card in cards:
                if card.power_draw_w is not None:
                    self._samples.setdefault(card.name or f"card {card.index}", []).append(card.power_draw_w)
            if not cards or self._ended.wait(self._interval_s):
                return

    def mean_w(self) -> dict[str, float]:
        """Mean draw of each card, W."""
        return {name: fmean(samples) for name, samples in self._samples.items()}
