"""What docs/api.md shows of the API works as it stands there."""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from advisor.buying.advice import advise
from advisor.buying.wish import Wish
from advisor.client import AsyncClient, Client, NoPrediction, Problem
from advisor.physics.knowledge import load
from advisor.prediction.prediction import predict
from advisor.question import Scenario
from tests.webapp.api.running import PROFILE, SCENARIO, Server, free_port

PAGE = Path(__file__).parents[3] / "docs" / "api.md"


def shown(what: str, language: str) -> str:
    text = PAGE.read_text(encoding="utf-8")
    found = re.search(rf"<!-- {what} of the API -->\n```{language}\n(.+?)```", text, re.DOTALL)
    assert found, what
    return found[1]


CALLS = re.findall(r"curl (?:\\\n|.)+", shown("calls", "sh"))


@pytest.mark.parametrize("call", CALLS, ids=[re.search(r"8000/(\S+)", call)[1] for call in CALLS])
def test_each_call_with_curl_is_answered(server: Server, call: str, tmp_path: Path) -> None:
    (tmp_path / "profile.json").write_text(json.dumps(PROFILE))
    command = call.replace("127.0.0.1:8000", f"127.0.0.1:{server.port}").replace("curl -s", "curl -sf")
    done = subprocess.run(command, shell=True, check=True, capture_output=True, cwd=tmp_path)
    assert json.loads(done.stdout)


def test_every_kind_of_call_is_shown(server: Server) -> None:
    described = httpx.get(f"{server.url}/openapi.json").json()["paths"]
    shown_paths = {urlsplit(re.search(r"http://\S+", call)[0]).path for call in CALLS}
    asked = [path for path in described if path.startswith("/v1/") and not path.startswith("/v1/problems")]
    patterns = {path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in asked}
    missing = [path for path, pattern in patterns.items() if not any(map(pattern.fullmatch, shown_paths))]
    assert missing == ["/v1/calibrations/{calibration}"]  # by the name that storing one gave


def test_the_client_is_used_as_shown(server: Server) -> None:
    code = shown("client", "python").replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    done = subprocess.run((sys.executable, "-c", code), check=True, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    assert lines[0] == str(predict(Scenario.model_validate(SHOWN), load()).decode_tok_s)
    picks = advise(Wish(model="gpt-oss-20b", budget_usd=2000), load()).picks
    assert [line.split()[0] for line in lines[1:-1]] == [pick.pick for pick in picks]
    assert len(picks) >= 3
    assert lines[-1].startswith("unknown_name ('RTX 3060 12GB',")


def test_javascript_is_answered_as_shown(server: Server) -> None:
    code = shown("javascript", "js").replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
    done = subprocess.run(["node", "--input-type=module", "-e", code], check=True, capture_output=True, text=True)
    told = predict(Scenario.model_validate(SHOWN), load()).decode_tok_s
    assert told
    assert float(done.stdout) == pytest.approx(told.p50)


SHOWN = {"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3060 12GB"}]}}


def test_the_client_takes_scenarios_as_types_and_tells_errors_apart(server: Server) -> None:
    scenario = Scenario.model_validate(SCENARIO)
    with Client(server.url) as api:
        assert api.predict(scenario) == predict(scenario, load())
        good, bad = api.predict_many([scenario, {"model": "gpt-oss-21b", "hardware": SCENARIO["hardware"]}])
        assert good == predict(scenario, load())
        assert isinstance(bad, NoPrediction)
        assert bad.code == "unknown_name"
        assert api.models()[0]["id"]
        assert api.catalog("gpus")[0]["name"]
        with pytest.raises(Problem) as caught:
            api.catalog("gpuz")
        assert caught.value.status == 404
    with Client(f"http://127.0.0.1:{free_port()}") as nobody, pytest.raises(httpx.TransportError):
        nobody.models()


def test_the_client_on_an_event_loop_gives_the_same(server: Server) -> None:
    async def ask() -> None:
        async with AsyncClient(server.url) as api:
            several = await asyncio.gather(*(api.predict(SCENARIO) for _ in range(20)))
            assert set(map(repr, several)) == {repr(predict(Scenario.model_validate(SCENARIO), load()))}
            assert (await api.predict_many([SCENARIO]))[0] == several[0]
            upgrades = await api.upgrades(SCENARIO, "longer", budget_usd=300)
            assert upgrades.goal == "longer"
            page = await api.recommend({"model": "gpt-oss-20b", "kinds": ["unified"]}, limit=1)
            assert page.builds[0].rank == 1

    asyncio.run(ask())


def test_importing_advisor_does_not_import_the_client() -> None:
    code = "import sys, advisor, advisor.prediction.prediction; print('httpx' in sys.modules)"
    done = subprocess.run((sys.executable, "-c", code), check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
