"""Shops asked with a person's key: what they say is read as documented, what goes wrong is told, the key never is."""

import logging
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import InputError
from advisor.market.sources import SOURCES, Shop, asking, source_named
from advisor.market.sources.asking import KeyRefused, Pacing, ShopFailed, client_of, keys_of
from advisor.market.sources.bestbuy import BestBuy
from advisor.market.sources.ebay import Ebay
from advisor.market.sources.keepa import Keepa, asins_of
from catalog.names.parts import NamedPart, resolve_part
from tests.advisor.market.sources.shops import FakeShop, Reply, fake_shop

KEY = "secret-key-0123456789"
SEARCH, TOKEN = "/buy/browse/v1/item_summary/search", "/identity/v1/oauth2/token"
CARD = "RTX 3090"
COUNTS = {"total": 1, "totalPages": 1, "tokensLeft": 1}
GOOD_TOKEN = Reply({"access_token": "t-1", "expires_in": 7200, "token_type": "Application Access Token"})


@pytest.fixture
def part() -> NamedPart:
    return resolve_part(CARD)


@pytest.fixture
def shop() -> Iterator[FakeShop]:
    with fake_shop() as found:
        yield found


class Clock:
    """Time that passes only where one waits."""

    def __init__(self) -> None:
        self.now, self.waits = 1000.0, list[float]()

    def wait(self, seconds: float) -> None:
        self.now += seconds
        if seconds > 1e-6:  # not that of the pace of most tests
            self.waits.append(seconds)

    def pace(self, per_second: float = 1e9, most: int = 1000) -> Pacing:
        return Pacing(per_second, most, clock=lambda: self.now, wait=self.wait)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def ebay(shop: FakeShop, clock: Clock) -> Ebay:
    return Ebay("client", KEY, http=client_of(shop.url), pace=clock.pace())


def bestbuy(shop: FakeShop, clock: Clock) -> BestBuy:
    return BestBuy(KEY, http=client_of(shop.url, {"apiKey": KEY}), pace=clock.pace())


def keepa(shop: FakeShop, clock: Clock) -> Keepa:
    return Keepa(KEY, {CARD: ("B08HR6ZBYJ",)}, http=client_of(shop.url, {"key": KEY}), pace=clock.pace())


def item(price: float, title: str = "EVGA GeForce RTX 3090 FTW3 24GB", percent: float = 99.5, **more: Any) -> Any:
    seller = {"username": "bob", "feedbackPercentage": f"{percent}", "feedbackScore": 900}
    told = {"title": title, "price": {"value": f"{price}", "currency": "USD"}, "seller": seller}
    return told | {"itemWebUrl": "https://e.example/1?x=y"} | more


def product(name: str = "ASUS - GeForce RTX 3090 24GB Graphics Card", **more: Any) -> dict[str, Any]:
    return {"sku": 6432400, "name": name, "salePrice": 1299.99, "condition": "new", "onlineAvailability": True,
            "url": "https://api.bestbuy.com/click/-/6432400/pdp"} | more


def keepa_product(current: list[int], title: str = "EVGA GeForce RTX 3090 24GB") -> dict[str, Any]:
    # 2026-10-01T00:00Z in Keepa's minutes
    minutes = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp()) // 60 - 21_564_000
    return {"asin": "B08HR6ZBYJ", "title": title, "lastUpdate": minutes, "stats": {"current": current}}


GOOD: dict[str, tuple[Callable[[FakeShop, Clock], Shop], str, Any]] = {
    "ebay": (ebay, SEARCH, {"total": 1, "itemSummaries": [item(1100.0)]}),
    "bestbuy": (bestbuy, "/v1/products", {"total": 1, "totalPages": 1, "products": [product()]}),
    "keepa": (keepa, "/product", {"tokensLeft": 5, "products": [keepa_product([-1, 140_000, 110_000])]}),
}


@pytest.fixture(params=GOOD)
def any_shop(request: pytest.FixtureRequest, shop: FakeShop, clock: Clock) -> tuple[Shop, str, Any]:
    opened, path, good = GOOD[request.param]
    shop.answers(TOKEN, GOOD_TOKEN)
    return opened(shop, clock), path, good


def test_ebay_joins_pages_and_keeps_the_cheapest_of_trusted_sellers(
    shop: FakeShop, clock: Clock, part: NamedPart
) -> None:
    first = [item(1500.0 + number) for number in range(200)]
    last = [item(1200.0), item(900.0, percent=80.0), item(1000.0, title="RTX 3090 for parts"), item(1250.0),
            item(1150.0, shippingOptions=[{"shippingCost": {"value": "25.00", "currency": "USD"}}])]
    shop.answers(TOKEN, GOOD_TOKEN)
    pages = [Reply({"total": 205, "itemSummaries": found}) for found in (first, last)]
    shop.answers(SEARCH, Reply({"total": 0}), *pages)
    answer = ebay(shop, clock).ask(part)
    assert [(seen.price, seen.condition, seen.kind, seen.seller) for seen in answer.observations] == [
        (price, "used", "asking", "trusted") for price in (1175.0, 1200.0, 1250.0)
    ]
    asked = [found for found in shop.asked if found.path == SEARCH]
    assert [found.query["offset"] for found in asked] == [["0"], ["0"], ["200"]]
    assert {found.headers["Authorization"] for found in asked} == {"Bearer t-1"}
    assert "bob" not in repr(answer)
    assert answer.remarks == ("eBay has no new offer that is surely of RTX 3090",)


def test_ebay_renews_a_token_that_expires_and_one_that_is_forgotten(
    shop: FakeShop, clock: Clock, part: NamedPart
) -> None:
    tokens = [Reply({"access_token": f"t-{number}", "expires_in": 7200}) for number in (1, 2, 3)]
    shop.answers(TOKEN, *tokens)
    good = Reply({"total": 1, "itemSummaries": [item(1100.0)]})
    shop.answers(SEARCH, good, good, good, Reply({"errors": []}, 401), good)
    opened = ebay(shop, clock)
    opened.ask(part)
    clock.now += 7190
    assert len(opened.ask(part).observations) == 2
    bearers = [found.headers["Authorization"] for found in shop.asked if found.path == SEARCH]
    assert bearers == ["Bearer t-1", "Bearer t-1", "Bearer t-2", "Bearer t-2", "Bearer t-3"]


def test_best_buy_says_new_and_refurbished_for_72_hours(shop: FakeShop, clock: Clock, part: NamedPart) -> None:
    first = [product(), product(name="RTX 3090 Ti 24GB"), product(onlineAvailability=False)]
    pages = [
        Reply({"totalPages": 2, "products": first}),
        Reply({"totalPages": 2, "products": [product(condition="Refurbished", salePrice=999.0)]}),
    ]
    shop.answers("/v1/products", *pages)
    answer = bestbuy(shop, clock).ask(part)
    assert [(seen.price, seen.condition, seen.kind) for seen in answer.observations] == [
        (1299.99, "new", "street"), (999.0, "used", "street"),
    ]
    assert answer.keep_until is not None
    assert timedelta(hours=71) < answer.keep_until - datetime.now(UTC) <= timedelta(hours=72)
    assert [found.query["page"] for found in shop.asked] == [["1"], ["2"]]
    assert {found.query["apiKey"][0] for found in shop.asked} == {KEY}


def test_keepa_reads_cents_and_its_own_calendar(shop: FakeShop, clock: Clock, part: NamedPart) -> None:
    other = keepa_product([1, 1, 1], title="RTX 3090 backplate")
    body = {"tokensLeft": 0, "refillIn": 30_000, "products": [keepa_product([-1, 139_900, 105_050]), other]}
    shop.answers("/product", Reply(body))
    opened = keepa(shop, clock)
    answer = opened.ask(part)
    assert [(seen.price, seen.condition, seen.as_of) for seen in answer.observations] == [
        (1399.0, "new", date(2026, 10, 1)), (1050.5, "used", date(2026, 10, 1)),
    ]
    assert len(answer.remarks) == 1
    opened.ask(part)
    assert clock.waits == [30.0]  # until the bucket has a token again
    assert opened.ask(resolve_part("RTX 3060 12GB")).remarks == ("no ASIN of RTX 3060 12GB is listed",)


def test_what_passes_is_asked_again(
    any_shop: tuple[Shop, str, Any], shop: FakeShop, clock: Clock, part: NamedPart
) -> None:
    opened, path, good = any_shop
    shop.answers(path, Reply(status=500), Reply(status=429, headers={"Retry-After": "7"}), Reply(good))
    assert opened.ask(part).observations
    assert clock.waits[:2] == [1.0, 7.0]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(status=500), "answers 500: try later"),
        (Reply(status=429, headers={"Retry-After": "3600"}), "asks to wait 3600 s"),
        (Reply({"message": "gone"}, 404), "refuses the question"), (Reply(raw=b"<html>sorry"), "no JSON"),
        (Reply({"hits": []}), "its interface has changed"), (Reply([1, 2]), "its interface has changed"),
        (Reply(COUNTS | {"itemSummaries": "x", "products": "x"}), "its interface has changed"),
        (Reply(COUNTS | {"itemSummaries": [{}], "products": [{"title": CARD + " 24GB"}]}), "without"),
        (Reply(raw=b" " * (9 * 2**20)), "more than 8 MiB"),
    ],
)
def test_what_stays_wrong_is_said_without_the_key(
    any_shop: tuple[Shop, str, Any], shop: FakeShop, part: NamedPart, reply: Reply, said: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    opened, path, _ = any_shop
    shop.answers(path, reply)
    with caplog.at_level(logging.DEBUG), pytest.raises(ShopFailed, match=said) as failed:
        opened.ask(part)
    assert KEY not in str(failed.value) + repr(failed.value.__context__) + caplog.text


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_is_said_and_not_asked_with_again(
    any_shop: tuple[Shop, str, Any], shop: FakeShop, part: NamedPart, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    opened, path, _ = any_shop
    shop.answers(path, Reply({}, status))
    with caplog.at_level(logging.DEBUG), pytest.raises(KeyRefused, match="does not take the key"):
        opened.ask(part)
    assert sum(found.path.startswith(path) for found in shop.asked) == (2 if path == SEARCH else 1)
    assert KEY not in caplog.text


def test_an_answer_that_drips_ends(
    any_shop: tuple[Shop, str, Any], shop: FakeShop, part: NamedPart, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, path, good = any_shop
    monkeypatch.setattr(asking, "ANSWER_S", -1.0)  # any byte comes too late
    shop.answers(path, Reply(good, drip_s=0.001))
    with pytest.raises(ShopFailed, match="does not answer"):
        opened.ask(part)


def test_a_shop_that_is_not_there_is_said(part: NamedPart, clock: Clock) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = FakeShop()
        nobody.url = f"http://127.0.0.1:{free.getsockname()[1]}"
        with pytest.raises(ShopFailed, match="does not answer"):
            bestbuy(nobody, clock).ask(part)
    assert clock.waits == [1.0, 2.0, 4.0]


def test_a_pace_is_kept_and_ends(clock: Clock) -> None:
    pace = clock.pace(per_second=4.0, most=3)
    for _ in range(3):
        pace.turn("Shop")
    assert clock.waits == [0.25, 0.25]
    with pytest.raises(ShopFailed, match="not asked more than 3 times"):
        pace.turn("Shop")


def test_without_keys_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(asking, "_kept", lambda _: "")
    for name in ("ADVISOR_EBAY_CLIENT_ID", "ADVISOR_EBAY_CLIENT_SECRET", "ADVISOR_BESTBUY_KEY", "ADVISOR_KEEPA_KEY"):
        monkeypatch.delenv(name, raising=False)
    for source in SOURCES.values():
        with pytest.raises(InputError, match="with a key of your own") as refused:
            source.opened()
        assert all(name in str(refused.value) for name in source.keys)
        assert source.signed_up in str(refused.value)
    monkeypatch.setenv("ADVISOR_BESTBUY_KEY", KEY)
    SOURCES["bestbuy"].opened()  # opening sends nothing
    assert keys_of("Best Buy", ("ADVISOR_BESTBUY_KEY",), "") == (KEY,)
    monkeypatch.setenv("ADVISOR_EBAY_CLIENT_ID", KEY)
    with pytest.raises(InputError, match="set ADVISOR_EBAY_CLIENT_SECRET, or") as refused:
        SOURCES["ebay"].opened()
    assert KEY not in str(refused.value)


@pytest.mark.parametrize(("name", "why"), [(None, "names the shop to ask"), ("amazon", "'amazon' is no shop")])
def test_a_shop_that_is_none_is_answered_with_all_there_are(name: str | None, why: str) -> None:
    with pytest.raises(InputError, match=why) as refused:
        source_named(name)
    for key, source in SOURCES.items():
        assert key in str(refused.value)
        assert source.title in str(refused.value)
        assert all(variable in str(refused.value) for variable in source.keys)
        assert source_named(key) is source


def test_asins_are_listed_by_part(tmp_path: Path) -> None:
    listed = tmp_path / "asins.csv"
    listed.write_text("part,asin\nRTX 3090,B1\nrtx 3090 24gb,B2\n")
    assert asins_of(listed) == {"RTX 3090": ("B1", "B2")}
    listed.write_text("part,asin\nflux capacitor,B1\n")
    with pytest.raises(InputError, match="flux capacitor"):
        asins_of(listed)
    listed.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="columns part and asin"):
        asins_of(listed)
    with pytest.raises(InputError, match="cannot be read"):
        asins_of(tmp_path / "none.csv")
