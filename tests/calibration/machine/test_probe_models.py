"""The models that a machine is measured with: how large they are, what they are called, and that they are whole."""

import os
import shutil
from pathlib import Path

import pytest

from advisor.errors import InputError
from advisor.gguf import read_header
from advisor.gguf.synthetic import Cut, Recipe, least_layers
from advisor.physics.task import FAMILIES, family_of
from calibration.machine.probe_models import CACHES, LEAST_BYTES, MOST_BYTES, QUANTS, ProbeModel, probe_models
from catalog.units import GIB, MIB
from tests.calibration.machine.tiny import tiny

CACHE_SIZES = {"unknown": None, "none": 0, "32 MiB": 32 * MIB, "128 MiB": 128 * MIB, "1 GiB": GIB}


def layer_bytes(model: ProbeModel) -> float:
    """Bytes of the largest layer."""
    sizes: dict[str, float] = {}
    for tensor in model.recipe.tensors:
        if tensor.name.startswith("blk."):
            layer = tensor.name.split(".")[1]
            sizes[layer] = sizes.get(layer, 0.0) + tensor.bytes
    return max(sizes.values())


@pytest.mark.parametrize("cache_bytes", CACHE_SIZES.values(), ids=CACHE_SIZES)
def test_a_cache_holds_no_model_and_a_disk_each(cache_bytes: int | None) -> None:
    wanted = min(max(CACHES * (cache_bytes or 0), LEAST_BYTES), MOST_BYTES)
    models = list(probe_models(cache_bytes))
    assert len({model.file for model in models}) == len(models) == 4 * len(QUANTS)
    for model in models:
        recipe = model.recipe
        whole = recipe.llm.n_layers == recipe.original.n_layers
        # Layers are added until it is large enough, or the model ends: not one more than that.
        assert recipe.size_bytes >= wanted or whole
        assert recipe.size_bytes < wanted + layer_bytes(model) or recipe.to.layers == least_layers(recipe.original)
        assert recipe.size_bytes < 1.5 * MOST_BYTES


def test_without_a_large_cache_they_are_as_small_as_they_may_be() -> None:
    assert [model.file for model in probe_models(None)] == [model.file for model in probe_models(32 * MIB)]
    assert [model.file for model in probe_models(None)] != [model.file for model in probe_models(GIB)]


def test_they_have_nearly_every_family_of_quants() -> None:
    families = {family_of(tensor.type) for model in probe_models(None) for tensor in model.recipe.tensors}
    # Those in few files of today, or only where rows are no multiple of 256, are known from the probe of kernels alone.
    assert families >= set(FAMILIES) - {"fp4", "q4_1", "q5", "q5_1", "iq4_nl"}


def test_another_recipe_has_another_file() -> None:
    recipe = tiny("Q8_0").recipe
    others = (
        tiny("Q8_0").recipe,
        tiny("Q4_0").recipe,
        tiny("Q8_0", layers=2).recipe,
        Recipe(recipe.original, recipe.quant, Cut(1, None, 256)),
        Recipe(recipe.original, recipe.quant, recipe.to, seed=1),
    )
    names = [ProbeModel(other).file for other in (recipe, *others)]
    assert names[0] == names[1]
    assert len(set(names)) == len(others)
    assert all(name.endswith(".gguf") and not name.startswith(".") for name in names)


def test_a_model_is_written_when_it_is_first_asked_for(tmp_path: Path) -> None:
    model, folder = tiny("Q8_0"), tmp_path / "home" / "probe-models"
    path = model.write(folder)
    assert (path, path.stat().st_size) == (folder / model.file, model.recipe.size_bytes)
    assert read_header(path).architecture == "llama"
    os.utime(path, ns=(1, 1))
    assert model.write(folder) == path
    assert path.stat().st_mtime_ns == 1
    assert list(folder.iterdir()) == [path]


@pytest.mark.parametrize("share", [0.0, 0.5, 1.01], ids=["empty", "half", "longer"])
def test_a_file_of_another_size_is_written_anew(tmp_path: Path, share: float) -> None:
    model = tiny("Q8_0")
    good = model.write(tmp_path / "good").read_bytes()
    bad = tmp_path / "bad" / model.file
    bad.parent.mkdir()
    bad.write_bytes((good + bytes(len(good)))[: int(share * len(good))])
    assert model.write(bad.parent).read_bytes() == good


def test_what_a_killed_process_left_is_neither_taken_nor_kept(tmp_path: Path) -> None:
    """Also where this process has that one's number, as in a container that is started again."""
    model, other = tiny("Q8_0"), tiny("Q4_0")
    left = [tmp_path / f".{item.file}.{number}.partial" for item in (model, other) for number in (os.getpid(), 1)]
    for path in left:
        path.write_bytes(b"half")
    assert model.write(tmp_path).stat().st_size == model.recipe.size_bytes
    assert [path for path in left if path.exists()] == left[2:]
    other.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((model.file, other.file))


def test_a_full_disk_is_said_with_a_way_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)._replace(free=1_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: usage)
    with pytest.raises(InputError, match=r"has 0.00 GB free") as refused:
        tiny("Q8_0").write(tmp_path)
    assert "--layers" not in str(refused.value)  # no option of `advisor calibrate`
    assert "ADVISOR_HOME" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "probe-models").write_text("a file in place of the folder")
    with pytest.raises(InputError, match=r"probe-models.*cannot be written.*ADVISOR_HOME"):
        tiny("Q8_0").write(tmp_path / "probe-models")
