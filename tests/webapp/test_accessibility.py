"""axe-core finds no serious fault on any page, in light and in dark."""

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

VIEWS = {
    "buy": "?budget=900&condition=used",
    "nothing answers": "?budget=100",
    "build": "build?build=RTX+3060+12GB+%7C+Ryzen+7+5800X+%7C+DDR4-3600+2x16",
    "machine": "machine?gpu=RTX+3060+12GB&cpu=Ryzen+7+5800X&ram=DDR4-3600+2x16",
    "models": "models",
    "model": "models?model=gpt-oss-20b",
    "compare": "compare?build=RTX+3060+12GB+%7C+Ryzen+7+5800X+%7C+DDR4-3600+2x16&build=RTX+3090",
    "trust": "trust",
}
SERIOUS = {"serious", "critical"}


@pytest.mark.parametrize("view", VIEWS)
def test_no_serious_fault(view: str, open_page: Callable[..., Page], axe_script: str) -> None:
    page = open_page(VIEWS[view])
    page.evaluate(axe_script)
    assert serious(page, "{resultTypes: ['violations']}") == []
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(300)  # colours fade over a fifth of a second
    assert serious(page, "{runOnly: ['color-contrast'], resultTypes: ['violations']}") == []


def serious(page: Page, options: str) -> list[str]:
    found: list[dict[str, Any]] = page.evaluate(f"axe.run({options}).then(result => result.violations)")
    return [
        f"{item['id']}: {item['help']}: {[node['html'][:200] for node in item['nodes'][:3]]}"
        for item in found if item["impact"] in SERIOUS
    ]
