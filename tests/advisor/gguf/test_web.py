"""Models by their address: the header alone is read, and whatever a server does gets one clear sentence."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from advisor.asked import GgufFile, HfModel
from advisor.cli.app import run
from advisor.errors import InputError
from advisor.gguf.named import read_named
from advisor.gguf.synthetic import Recipe
from advisor.gguf.web import Access
from catalog.names.llms import resolve_llm
from catalog.names.quants import resolve_quant
from tests.advisor.gguf.serving import Behaviour, served

FILE = "Qwen3-0.6B-Q4_K_M.gguf"


def model_file(path: Path, model: str = "Qwen3-0.6B", quant: str = "Q4_K_M") -> Path:
    """The header of a model's file, and a hole of the size of its weights."""
    recipe = Recipe(resolve_llm(model).row.llm, resolve_quant(quant).row)
    path.write_bytes(recipe.header)
    with path.open("r+b") as file:
        file.truncate(recipe.size_bytes)
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Behaviour]:
    folder = tmp_path / "served"
    folder.mkdir()
    model_file(folder / FILE)
    with served(folder) as behaviour:
        yield behaviour


ANY = Access()


def sizes(model: GgufFile | HfModel, quant: str | None = None, access: Access | None = ANY) -> int:
    return read_named(model, quant, access).header.tensor_bytes


def test_a_file_on_a_server_is_read_as_the_same_on_the_disk(server: Behaviour) -> None:
    near = read_named(GgufFile(gguf=str(server.folder / FILE)), None, None)
    far = read_named(GgufFile(gguf=f"{server.address}/models/{FILE}?download=true"), None, Access())
    assert far.header.tensors == near.header.tensors
    assert (far.llm.name, far.quant.name) == (near.llm.name, near.quant.name) == ("Qwen3-0.6B", "Q4_K_M")
    assert far.footprint.file_bytes == near.footprint.file_bytes
    assert server.sent_bytes < 2 * min(entry.start for entry in near.header.tensors) + (1 << 20)
    assert far.header.modified.isoformat() == "2026-11-28"  # as the server says


def test_redirects_are_followed_but_not_for_ever(server: Behaviour) -> None:
    server.redirects = {"/a.gguf": f"/b/{FILE}", "/round.gguf": "/round.gguf"}
    assert sizes(GgufFile(gguf=f"{server.address}/a.gguf"))
    with pytest.raises(InputError, match="leads from one address to the next more than 5 times"):
        sizes(GgufFile(gguf=f"{server.address}/round.gguf"))
    server.redirects = {"/a.gguf": "file:///etc/passwd"}
    with pytest.raises(InputError, match="is no address of a file"):
        sizes(GgufFile(gguf=f"{server.address}/a.gguf"))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"statuses": {f"/{FILE}": 401}}, r"is gated or private \(status 401\)"),
        ({"statuses": {f"/{FILE}": 403}}, r"is gated or private \(status 403\)"),
        ({"statuses": {f"/{FILE}": 404}}, r"there is no file at .* \(status 404\)"),
        ({"statuses": {f"/{FILE}": 503}}, "answers with status 503"),
        ({"ranges": False}, "sends no parts of files"),
        ({"said_bytes": 100}, "says that the file has 100 bytes but sends 65,536"),
        ({"said_bytes": 10**6}, r"it is truncated"),
        ({"too_much": True}, "sends more than was asked for"),
        ({"delay_s": 0.2}, "is too slow to read the file's header from"),
    ],
    ids=str,
)
def test_what_servers_do_is_said_in_one_sentence(server: Behaviour, change: dict[str, Any], sentence: str) -> None:
    for name, value in change.items():
        setattr(server, name, value)
    with pytest.raises(InputError, match=sentence) as refusal:
        sizes(GgufFile(gguf=f"{server.address}/{FILE}"), access=Access(whole_s=1.0, read_s=0.5))
    assert str(refusal.value).count("\n") == 0


def test_a_server_that_is_not_there(server: Behaviour) -> None:
    with pytest.raises(InputError, match=r"cannot be read: .*see to the network"):
        sizes(GgufFile(gguf=f"http://127.0.0.1:9/{FILE}"))


def test_all_parts_of_a_split_model_are_read_and_a_missing_one_is_named(server: Behaviour) -> None:
    whole = read_named(GgufFile(gguf=str(server.folder / FILE)), None, None)
    halves = split(server.folder / FILE, 3)
    found = read_named(GgufFile(gguf=f"{server.address}/{halves[1].name}"), None, Access())
    assert len(found.header.parts) == 3
    assert found.footprint.file_bytes == whole.footprint.file_bytes
    halves[2].unlink()
    with pytest.raises(InputError, match=re.escape(halves[2].name)):
        sizes(GgufFile(gguf=f"{server.address}/{halves[0].name}"))


def split(path: Path, count: int) -> list[Path]:
    """The same model in so many files, as llama-gguf-split writes them."""
    from dataclasses import replace

    from advisor.gguf.header import header_bytes
    from advisor.gguf.llm import metadata

    recipe = Recipe(resolve_llm("Qwen3-0.6B").row.llm, resolve_quant("Q4_K_M").row)
    stem, tensors, paths = path.name.removesuffix(".gguf"), recipe.tensors, []
    for i in range(count):
        own = tensors[i::count]
        keys = metadata(recipe.llm, recipe.quant, recipe.name, "part") if i == 0 else {}
        said = keys | {"split.no": i, "split.count": count, "split.tensors.count": len(tensors)}
        part = path.with_name(f"{stem}-{i + 1:05d}-of-{count:05d}.gguf")
        part.write_bytes(header_bytes(said, own))
        with part.open("r+b") as file:
            size = part.stat().st_size + sum(-(-int(replace(tensor).bytes) // 32) * 32 for tensor in own)
            file.truncate(size)
        paths.append(part)
    return paths


def test_a_header_is_kept_for_a_day(server: Behaviour, tmp_path: Path) -> None:
    model, kept = GgufFile(gguf=f"{server.address}/{FILE}"), Access(kept=tmp_path / "kept")
    first = sizes(model, access=kept)
    asked = len(server.requests)
    assert sizes(model, access=kept) == first
    assert len(server.requests) == asked
    for file in (tmp_path / "kept").iterdir():
        file.write_bytes(b"damaged")
    assert sizes(model, access=kept) == first
    assert len(server.requests) > asked


def test_private_networks_and_other_hosts_are_refused_where_they_may_not_be_read(server: Behaviour) -> None:
    model = GgufFile(gguf=f"{server.address}/{FILE}")
    with pytest.raises(InputError, match="an address of a private network"):
        sizes(model, access=Access(frozenset({"127.0.0.1"}), private=False))
    with pytest.raises(InputError, match=r"does not read from '127\.0\.0\.1'"):
        sizes(model, access=Access(frozenset({"example.org"}), private=False))
    with pytest.raises(InputError, match="not read from other servers here"):
        sizes(model, access=None)
    assert not server.requests
    for host in ("localhost", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0"):
        name = host.strip("[]")
        with pytest.raises(InputError, match="an address of a private network"):
            sizes(GgufFile(gguf=f"http://{host}/{FILE}"), access=Access(frozenset({name}), private=False))


def test_a_redirect_to_another_host_is_checked_too(server: Behaviour) -> None:
    server.redirects = {f"/{FILE}": f"http://localhost:1/{FILE}"}
    with pytest.raises(InputError, match="does not read from 'localhost'"):
        sizes(GgufFile(gguf=f"{server.address}/{FILE}"), access=Access(frozenset({"127.0.0.1"})))


def listing(*names: str) -> str:
    files = [{"type": "file", "path": name, "size": 1} for name in names]
    return json.dumps([*files, {"type": "directory", "path": "d"}])


def test_a_repository_gives_the_file_of_the_quantisation(server: Behaviour, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    model_file(server.folder / "Qwen3-0.6B-Q8_0.gguf", quant="Q8_0")
    server.texts = {
        "/api/models/unsloth/Qwen3-0.6B-GGUF/tree/main":
        listing("README.md", "mmproj-F16.gguf", FILE, "Qwen3-0.6B-Q8_0.gguf", "Qwen3-0.6B-UD-Q8_K_XL.gguf")
    }
    found = read_named(HfModel(hf="unsloth/Qwen3-0.6B-GGUF"), "Q8_0", Access())
    assert (found.llm.name, found.quant.name) == ("Qwen3-0.6B", "Q8_0")
    assert read_named(HfModel(hf="unsloth/Qwen3-0.6B-GGUF:Q8_0"), None, Access()).quant.name == "Q8_0"
    assert read_named(HfModel(hf="unsloth/Qwen3-0.6B-GGUF"), None, Access()).quant.name == "Q4_K_M"
    assert read_named(HfModel(hf="unsloth/Qwen3-0.6B-GGUF", file=FILE), None, Access()).quant.name == "Q4_K_M"
    with pytest.raises(InputError, match="has no file of Q2_K: it has Qwen3-0"):
        sizes(HfModel(hf="unsloth/Qwen3-0.6B-GGUF"), "Q2_K")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(listing("config.json"), "has no GGUF file"), ("<html>", "the list of files of 'a/b' cannot be read"),
     (json.dumps({"error": "x"}), "the list of files of 'a/b' cannot be read")],
)
def test_a_repository_without_files(
    server: Behaviour, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", server.address)
    server.texts = {"/api/models/a/b/tree/main": text}
    with pytest.raises(InputError, match=sentence):
        sizes(HfModel(hf="a/b"))


@pytest.mark.parametrize("name", ["a", "a/b/c", "../..", "a/b?x", "ftp://a/b"])
def test_what_is_no_repository_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is no repository"):
        sizes(HfModel(hf=name))


def test_the_command_predicts_for_an_address(
    server: Behaviour, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADVISOR_HOME", str(tmp_path / "home"))
    found = []
    for where in (str(server.folder / FILE), f"{server.address}/{FILE}"):
        assert run(["predict", "--gguf", where, "--gpu", "RTX 3060 12GB", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["placement"] == found[1]["placement"]
    assert found[0]["decode_tok_s"] == found[1]["decode_tok_s"]
    server.statuses = {f"/{FILE}": 404}
    assert run(["predict", "--gguf", f"{server.address}/other.gguf", "--gpu", "RTX 3060 12GB"]) == 2
    assert "there is no file at" in capsys.readouterr().err


def test_a_model_of_500_gb_is_read_with_under_30_mb(tmp_path: Path) -> None:
    """Kimi K2 in Q4_K_M, in 12 files as publishers split it, with a vocabulary of 163,840 texts in the first."""
    from advisor.gguf.header import header_bytes
    from advisor.gguf.llm import metadata
    from advisor.gguf.metadata import text_bytes

    llm, quant = resolve_llm("Kimi-K2").row.llm, resolve_quant("Q4_K_M").row
    recipe, count = Recipe(llm, quant), 12
    total = 0
    for i in range(count):
        own = recipe.tensors[i::count]
        keys = metadata(llm, quant, recipe.name, "part") if i == 0 else {}
        said = keys | {"split.no": i, "split.count": count, "split.tensors.count": len(recipe.tensors)}
        header = header_bytes(said, own)
        if i == 0:
            header = with_vocabulary(header, [f"token{n}" + "x" * 40 for n in range(llm.vocab_size)], text_bytes)
        part = tmp_path / f"Kimi-K2-Q4_K_M-{i + 1:05d}-of-{count:05d}.gguf"
        part.write_bytes(header)
        size = len(header) + -len(header) % 32 + sum(-(-int(tensor.bytes) // 32) * 32 for tensor in own)
        with part.open("r+b") as file:
            file.truncate(size)
        total += size
    assert total > 500e9
    with served(tmp_path) as server:
        found = read_named(GgufFile(gguf=f"{server.address}/Kimi-K2-Q4_K_M-00001-of-00012.gguf"), None, Access())
        assert server.sent_bytes < 30e6
    assert found.llm.name == "Kimi-K2"
    assert found.header.file_bytes == total


def with_vocabulary(header: bytes, tokens: list[str], text_bytes: Any) -> bytes:
    """A header with one more key: the texts of its tokens."""
    import struct

    version, tensors, keys = struct.unpack_from("<IQQ", header, 4)
    start = 4 + 20
    array = text_bytes("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, len(tokens))
    body = array + b"".join(map(text_bytes, tokens)) + header[start:].rstrip(b"\0")
    whole = header[:4] + struct.pack("<IQQ", version, tensors, keys + 1) + body
    # The last tensor's offset ends with zeros that were taken off: they are within the padding put back here.
    tail = len(header[start:]) - len(header[start:].rstrip(b"\0"))
    return whole + bytes(tail) + bytes(-(len(whole) + tail) % 32)
