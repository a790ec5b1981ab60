"""My machine with a calibration profile that is stored on the computer that serves the page."""

from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from advisor.choosing.runnable import models_on
from advisor.choosing.tasks import TASKS
from advisor.detection import Detected
from advisor.physics.knowledge import load
from advisor.profiles.own_machine import knowledge_of
from advisor.profiles.store import ProfileStore
from advisor.question import Hardware
from tests.own_profiles import RYZEN, XEON, own_profile
from webapp import resources
from webapp.pages import machine

FIELDS = {"gpu": "RTX 3060 12GB", "cpu": "Ryzen 7 5800X", "ram": "DDR4-3200 2x16"}
MODEL = "gpt-oss-20b"


@pytest.fixture
def store(advisor_home: Path) -> ProfileStore:
    return ProfileStore(advisor_home)


@pytest.fixture(autouse=True)
def _served_here(monkeypatch: pytest.MonkeyPatch) -> None:
    serve_on(monkeypatch, RYZEN)


def serve_on(monkeypatch: pytest.MonkeyPatch, hardware: Any) -> None:
    found = Detected(Hardware.model_validate(hardware), 8, ())
    monkeypatch.setattr(resources, "this_machine", lambda: found)
    monkeypatch.setattr(machine, "here", lambda: True)


def opened(**link: str) -> AppTest:
    test = AppTest.from_string("from webapp.pages import machine\nmachine.page()", default_timeout=60)
    for field, value in link.items():
        test.query_params[field] = value
    return checked(test.run())


def checked(test: AppTest) -> AppTest:
    assert [item.message for item in test.exception] == []
    return test


def said(test: AppTest) -> str:
    return "\n".join(str(item.value) for item in (*test.success, *test.info)).replace("\\", "")


def speed(test: AppTest) -> float:
    """Of a model in the table of all."""
    rows = next(item.value for item in test.dataframe if "Grade" in item.value.columns)
    return float(rows[rows["Model"] == MODEL].iloc[0]["tok/s"])


def expected(hardware: Any, *, own: bool, profile: Any = None) -> float:
    """What `models_on` finds for the model with the knowledge that the page is to use."""
    parts = Hardware.model_validate(hardware)
    known = knowledge_of(own_profile(profile or hardware), load()) if own else load()
    asked = TASKS["chat"].question(MODEL, "MXFP4").model_copy(update={"hardware": parts})
    found = models_on(asked, "chat", known)
    return next(row.decode_tok_s for row in found if row.llm.name == MODEL)


def test_the_profile_of_this_computer_is_found_and_can_be_left_out(store: ProfileStore) -> None:
    store.save(own_profile())
    test = opened(**FIELDS)
    assert "Calibrated with profile box of 2026-11-28" in said(test)
    assert speed(test) == pytest.approx(expected(RYZEN, own=True), rel=1e-9)
    checked(test.checkbox(key="own calibration").uncheck().run())
    assert "Calibrated" not in said(test)
    assert speed(test) == pytest.approx(expected(RYZEN, own=False), rel=1e-9)


def test_other_parts_than_the_profiles_are_predicted_without_it(store: ProfileStore) -> None:
    store.save(own_profile())
    for change in ({"gpu": "RTX 3090"}, {"ram": "DDR4-3600 2x16"}, {"cpu": "Ryzen 7 5700X"}):
        assert "Calibrated" not in said(opened(**FIELDS | change))


def test_a_profile_that_is_made_while_the_page_is_open_is_found(store: ProfileStore) -> None:
    test = opened(**FIELDS)
    assert "Calibrated" not in said(test)
    store.save(own_profile())
    assert "Calibrated with profile box" in said(checked(test.run()))


def test_this_computer_is_found_where_the_catalog_lacks_its_processor(
    store: ProfileStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No field can hold such a name: the parts that the button fills in stand for it."""
    serve_on(monkeypatch, XEON)
    store.save(own_profile(XEON, name="xeon"))
    test = opened()
    next(item for item in test.button if item.label == "Look at this computer").click()
    checked(test.run())
    assert "Calibrated with profile xeon" in said(test)
    asked = {**XEON, "ram": {"gb": 24}}  # as the field has it
    assert speed(test) == pytest.approx(expected(asked, own=True, profile=XEON), rel=1e-9)


def test_an_old_profile_is_said_and_not_used(store: ProfileStore) -> None:
    store.save(own_profile().model_copy(update={"efficiencies_digest": "0" * 64}))
    test = opened(**FIELDS)
    assert "Profile 'box' of this machine is not used" in said(test)
    assert speed(test) == pytest.approx(expected(RYZEN, own=False), rel=1e-9)


def test_a_damaged_file_among_them_does_not_disturb(store: ProfileStore) -> None:
    store.save(own_profile())
    (store.folder / "bad.json").write_text("{")
    assert "Calibrated with profile box" in said(opened(**FIELDS))
