"""A typed client of the JSON API (`advisor serve`): the answers are the types that `advisor` itself returns.

>>> from advisor.client import Client
>>> with Client("http://127.0.0.1:8000") as api:  # doctest: +SKIP
...     api.predict({"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3060 12GB"}]}}).decode_tok_s.p50
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self, TypeAlias
from urllib.parse import quote

import httpx
from pydantic import BaseModel, ConfigDict

from advisor.answer import Prediction
from advisor.buying.recommendation import Pick, RankedBuild, WayOut
from advisor.buying.upgrades import Aim, Upgrades
from advisor.buying.wish import Wish
from advisor.choosing.runnable import ModelsOnMachine
from advisor.choosing.tasks import TaskName
from advisor.question import Hardware, OwnRun, Scenario
from catalog.profiles import Profile

TIMEOUT_S = 90.0
"""A little longer than a server takes at most for one answer."""
PAGE = 100
Question: TypeAlias = Scenario | Mapping[str, Any]


class Problem(Exception):
    """The server refused: `code` is for programs, `nearest` has known names like the one that is not known."""

    def __init__(self, status: int, code: str, detail: str, nearest: Sequence[str] = (), request_id: str = "") -> None:
        super().__init__(detail)
        self.status, self.code, self.detail, self.request_id = status, code, detail, request_id
        self.nearest = tuple(nearest)


class NoPrediction(BaseModel):
    """Stands in the place of a prediction of many: why the scenario has none."""

    model_config = ConfigDict(frozen=True)

    code: str
    message: str


class Page(NamedTuple):
    """One page of a ranking."""

    builds: tuple[RankedBuild, ...]
    total: int
    next_offset: int | None
    """Where the next page begins; None on the last."""
    picks: tuple[Pick, ...] = ()
    """On the first page; their `build` is a place in `builds`, behind the page's own where it is further down."""
    ways_out: tuple[WayOut, ...] = ()
    """Where nothing serves."""


class StoredCalibration(BaseModel):
    """A calibration as the server lists it."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    fingerprint: str
    engine: str
    backend: str
    measured_on: str


@dataclass(frozen=True, slots=True)
class _Call:
    """A request before it is sent."""

    method: str
    path: str
    content: str | None = None
    params: Mapping[str, Any] | None = None


def _predict(scenario: Question, calibration: str | None) -> _Call:
    return _Call("POST", "/v1/predictions", _json(scenario, Scenario), _given(calibration=calibration))


def _predict_many(scenarios: Iterable[Question], calibration: str | None) -> _Call:
    asked = ",".join(_json(item, Scenario) for item in scenarios)
    return _Call("POST", "/v1/predictions", f'{{"scenarios":[{asked}]}}', _given(calibration=calibration))


def _recommend(wish: Wish | Mapping[str, Any], offset: int, limit: int) -> _Call:
    asked = wish if isinstance(wish, Wish) else Wish.model_validate(wish)
    fields = asked.model_dump(mode="json", exclude={"limit"}, exclude_unset=True) | {"offset": offset, "limit": limit}
    return _Call("POST", "/v1/recommendations", _text(fields))


def _models_on(
    hardware: Hardware | Mapping[str, Any], task: TaskName, calibration: str | None, limits: Mapping[str, int]
) -> _Call:
    body = f'{{"hardware":{_json(hardware, Hardware)},{_text({"task": task, **limits})[1:]}'
    return _Call("POST", "/v1/models", body, _given(calibration=calibration))


def _upgrades(scenario: Question, goal: Aim, calibration: str | None, wish: Mapping[str, Any]) -> _Call:
    asked = json.loads(_json(scenario, Scenario)) | {"goal": goal, **wish}
    return _Call("POST", "/v1/upgrades", _text(asked), _given(calibration=calibration))


def _json(value: BaseModel | Mapping[str, Any], kind: type[BaseModel]) -> str:
    """A model with the fields that were said; a mapping as it is, for the server to judge."""
    return value.model_dump_json(exclude_unset=True) if isinstance(value, kind) else _text(value)


def _text(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _given(**params: Any) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value is not None}


def _read(response: httpx.Response) -> Any:
    """The JSON of a good answer. Raises `Problem` for any other."""
    if response.is_success:
        return response.json()
    try:
        said = response.json()
        raise Problem(
            response.status_code, said["code"], said["detail"], said.get("nearest", ()), said.get("request_id", "")
        )
    except (ValueError, KeyError, TypeError):
        detail = f"the server answered {response.status_code} {response.reason_phrase}"
        raise Problem(response.status_code, "unknown", detail) from None


def _many(found: Any) -> list[Prediction | NoPrediction]:
    return [
        NoPrediction.model_validate(item["error"], extra="ignore")
        if "error" in item
        else Prediction.model_validate(item)
        for item in found["predictions"]
    ]


def _page(found: Any) -> Page:
    return Page(
        tuple(map(RankedBuild.model_validate, found["builds"])), found["total"], found["next_offset"],
        tuple(map(Pick.model_validate, found["picks"])), tuple(map(WayOut.model_validate, found["ways_out"])),
    )


def _stored(found: Any) -> StoredCalibration:
    return StoredCalibration.model_validate(found, extra="ignore")


def _headers(token: str | None) -> dict[str, str]:
    return {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})


class Client:
    """Asks a server. Every call raises `Problem` where the server refuses and `httpx.HTTPError` where it is not there.

    `token` is what the server's ADVISOR_API_TOKEN says; only storing needs it.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", token: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._http = httpx.Client(base_url=url, headers=_headers(token), timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    def predict(self, scenario: Question, calibration: str | None = None) -> Prediction:
        """The prediction of one scenario; `calibration`: id or name of a stored one to predict with."""
        return Prediction.model_validate(self._ask(_predict(scenario, calibration)))

    def predict_many(
        self, scenarios: Iterable[Question], calibration: str | None = None
    ) -> list[Prediction | NoPrediction]:
        """A prediction, or why there is none, for each of up to 10,000 scenarios, in the same order."""
        return _many(self._ask(_predict_many(scenarios, calibration)))

    def recommend(self, wish: Wish | Mapping[str, Any], offset: int = 0, limit: int = 10) -> Page:
        """One page of ranked builds. The wish's own limit does not count here."""
        return _page(self._ask(_recommend(wish, offset, limit)))

    def every_build(self, wish: Wish | Mapping[str, Any]) -> Iterator[RankedBuild]:
        """All ranked builds, fetched page by page."""
        offset: int | None = 0
        while offset is not None:
            page = self.recommend(wish, offset, PAGE)
            yield from (build for build in page.builds if offset < build.rank <= offset + PAGE)
            offset = page.next_offset

    def store_calibration(self, profile: Profile) -> StoredCalibration:
        """Store a machine's calibration. The same one again gives the same id."""
        return _stored(self._ask(_Call("POST", "/v1/calibrations", profile.model_dump_json())))

    def store_runs(
        self,
        hardware: Hardware | Mapping[str, Any],
        runs: Sequence[OwnRun | Mapping[str, Any]],
        name: str | None = None,
    ) -> StoredCalibration:
        """Store runs that were measured on a machine; predictions can then be asked with them."""
        parts, *told = (
            item.model_dump(mode="json", exclude_unset=True) if isinstance(item, BaseModel) else item
            for item in (hardware, *runs)
        )
        body = _text({"hardware": parts, "measured": told, **_given(name=name)})
        return _stored(self._ask(_Call("POST", "/v1/calibrations", body)))

    def calibrations(self, offset: int = 0, limit: int = PAGE) -> list[StoredCalibration]:
        """Stored calibrations, those stored last first."""
        params = {"offset": offset, "limit": limit}
        return [_stored(item) for item in self._ask(_Call("GET", "/v1/calibrations", params=params))["calibrations"]]

    def calibration(self, name: str) -> Profile:
        """A stored calibration by its id or name."""
        return Profile.model_validate(self._ask(_Call("GET", f"/v1/calibrations/{_quoted(name)}")))

    def models(self, task: TaskName | None = None) -> list[dict[str, Any]]:
        """The language models that are known; for a task the best first."""
        found: list[dict[str, Any]] = self._ask(_Call("GET", "/v1/models", params=_given(task=task)))["models"]
        return found

    def models_on(
        self, hardware: Hardware | Mapping[str, Any], task: TaskName = "chat", calibration: str | None = None,
        **limits: int,
    ) -> ModelsOnMachine:
        """Which models a computer runs, the best for the task first. `limits`: `context`, and `limit` of how many."""
        return ModelsOnMachine.model_validate(self._ask(_models_on(hardware, task, calibration, limits)))

    def upgrades(
        self, scenario: Question, goal: Aim = "faster", calibration: str | None = None, **wish: Any
    ) -> Upgrades:
        """What to buy for a scenario's computer. `wish`: `task`, `budget_usd`, `condition`, `tinkerer`."""
        return Upgrades.model_validate(self._ask(_upgrades(scenario, goal, calibration, wish)))

    def catalog(self, kind: str) -> list[dict[str, Any]]:
        """The rows of a table of the catalog, such as "gpus"."""
        found: list[dict[str, Any]] = self._ask(_Call("GET", f"/v1/catalog/{_quoted(kind)}"))["rows"]
        return found

    def _ask(self, call: _Call) -> Any:
        return _read(self._http.request(call.method, call.path, content=call.content, params=call.params))


def _quoted(text: str) -> str:
    return quote(text, safe="")


class AsyncClient:
    """The same for programs on an event loop."""

    def __init__(
        self, url: str = "http://127.0.0.1:8000", token: str | None = None, timeout_s: float = TIMEOUT_S
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=_headers(token), timeout=timeout_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def predict(self, scenario: Question, calibration: str | None = None) -> Prediction:
        """As `Client.predict`."""
        return Prediction.model_validate(await self._ask(_predict(scenario, calibration)))

    async def predict_many(
        self, scenarios: Iterable[Question], calibration: str | None = None
    ) -> list[Prediction | NoPrediction]:
        """As `Client.predict_many`."""
        return _many(await self._ask(_predict_many(scenarios, calibration)))

    async def recommend(self, wish: Wish | Mapping[str, Any], offset: int = 0, limit: int = 10) -> Page:
        """As `Client.recommend`."""
        return _page(await self._ask(_recommend(wish, offset, limit)))

    async def upgrades(
        self, scenario: Question, goal: Aim = "faster", calibration: str | None = None, **wish: Any
    ) -> Upgrades:
        """As `Client.upgrades`."""
        return Upgrades.model_validate(await self._ask(_upgrades(scenario, goal, calibration, wish)))

    async def _ask(self, call: _Call) -> Any:
        found = await self._http.request(call.method, call.path, content=call.content, params=call.params)
        return _read(found)
