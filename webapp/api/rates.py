"""How often one client may ask: a bucket of requests for each, refilled steadily."""

import time
from collections import OrderedDict
from collections.abc import Callable

CLIENTS = 10_000
"""Clients remembered; the one that asked longest ago is forgotten first."""


class Rates:
    """Buckets by client. `per_s` 0: no limit."""

    def __init__(self, per_s: float, burst: float, now: Callable[[], float] = time.monotonic) -> None:
        self.per_s, self.burst, self._now = per_s, max(1.0, burst), now
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_s(self, client: str) -> float:
        """Take one request out of the client's bucket: 0, or the seconds after which there is one again."""
        if self.per_s <= 0:
            return 0.0
        now = self._now()
        left, then = self._buckets.pop(client, (self.burst, now))
        left = min(self.burst, left + (now - then) * self.per_s)
        if len(self._buckets) >= CLIENTS:
            self._buckets.popitem(last=False)
        self._buckets[client] = (left - 1 if left >= 1 else left, now)
        return 0.0 if left >= 1 else (1 - left) / self.per_s
