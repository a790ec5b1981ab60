"""GGUF headers: exact where they are sound, one sentence where they are not, in little time and memory always."""

import json
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import gguf
import numpy as np
import pytest

from advisor.errors import InputError
from advisor.gguf import Omitted, read_header

KIND = gguf.GGUFValueType
ALIGNMENT = 32
FUZZED = Path(__file__).with_name("mutations.py")


def text(value: bytes | str) -> bytes:
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def pair(key: str | bytes, kind: int, value: bytes) -> bytes:
    return text(key) + struct.pack("<I", kind) + value


def array(kind: int, count: int, values: bytes = b"") -> bytes:
    return struct.pack("<IQ", kind, count) + values


def tensor(name: str | bytes, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)


def gguf_bytes(
    pairs: list[bytes] | None = None, tensors: list[bytes] | None = None, data: bytes = bytes(128), version: int = 3
) -> bytes:
    """A file of these pairs and tensors, as the format lays them out."""
    pairs, tensors = pairs or [], tensors or []
    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs)) + b"".join(pairs) + b"".join(tensors)
    return head + bytes(-len(head) % ALIGNMENT) + data


def written(path: Path, types: tuple[str, ...] = ("F32", "Q4_K", "Q8_0", "F16"), split: int = 0) -> Path:
    """A small file by the gguf package's own writer."""
    writer = gguf.GGUFWriter(path, "llama", split_max_tensors=split)
    writer.add_block_count(len(types))
    writer.add_token_list([f"token{i}" for i in range(1000)])
    writer.add_token_scores([0.5] * 5000)
    writer.add_array("llama.some.list", [3, 1, 2])
    writer.add_bool("llama.some.flag", True)
    writer.add_float64("llama.some.number", 0.25)
    for i, name in enumerate(types):
        kind = gguf.GGMLQuantizationType[name]
        shape = gguf.quant_shape_to_byte_shape((3, 256), kind)
        raw = None if name in {"F32", "F16"} else kind
        dtype = {"F32": np.float32, "F16": np.float16}.get(name, np.uint8)
        writer.add_tensor(f"blk.{i}.attn_q.weight", np.zeros((3, 256) if raw is None else shape, dtype), raw_dtype=raw)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_real_gemma_is_read_to_the_byte(gemma_path: Path) -> None:
    header = read_header(gemma_path)
    assert (header.architecture, header.text("general.name"), header.vocabulary) == ("gemma3", "Gemma 3 270m", 262144)
    # As gguf's own reader counts them (gguf-dump): 236 tensors, the data from byte 6,525,120 on.
    start = min(entry.start for entry in header.tensors)
    assert (len(header.tensors), start) == (236, 6_525_120)
    assert header.file_bytes == gemma_path.stat().st_size == 253_113_024
    padding = sum(-entry.size_bytes % ALIGNMENT for entry in header.tensors)
    assert start + header.tensor_bytes + padding == header.file_bytes
    ranges = sorted((entry.start, entry.start + entry.size_bytes) for entry in header.tensors)
    assert all(end <= start for (_, end), (start, _) in pairwise(ranges))
    assert header.metadata["gemma3.attention.sliding_window"] == 512


def test_a_file_is_read_as_the_packages_own_reader_reads_it(tmp_path: Path) -> None:
    types = tuple(kind.name for kind in gguf.GGMLQuantizationType if kind.name in READABLE)
    path = written(tmp_path / "all.gguf", types)
    found, reference = read_header(path), gguf.GGUFReader(path)
    assert [(e.name, e.shape, e.type, e.size_bytes, e.start) for e in found.tensors] == [
        (t.name, tuple(int(n) for n in t.shape), t.tensor_type.name, t.n_bytes, t.data_offset)
        for t in reference.tensors
    ]
    assert found.metadata["llama.some.list"] == (3, 1, 2)
    assert found.metadata["llama.some.flag"] is True
    assert found.metadata["llama.some.number"] == 0.25
    assert found.metadata["tokenizer.ggml.scores"] == Omitted(5000)
    assert found.vocabulary == 1000
    assert read_header(written(tmp_path / "one.gguf", ("F32",))).tensor_bytes == 3 * 256 * 4


READABLE = {
    "F32", "F16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K", "IQ2_XXS", "IQ2_XS",
    "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S", "IQ2_S", "IQ4_XS", "IQ1_M", "BF16", "TQ1_0", "TQ2_0", "MXFP4",
}
"""Types that files have; the rest are intermediate results."""


def test_a_type_of_ik_llama_cpp_has_its_scale_per_row(tmp_path: Path) -> None:
    path = tmp_path / "ik.gguf"
    # 144 is GGML_TYPE_IQ4_KS (ik_llama.cpp ggml.h): 136 bytes per 256 weights and 4 per row (its pull 83).
    path.write_bytes(gguf_bytes(tensors=[tensor("a", (512, 3), 144)], data=bytes(1000)))
    (entry,) = read_header(path).tensors
    assert (entry.type, entry.size_bytes) == ("IQ4_KS", 3 * (2 * 136 + 4))


def test_a_split_model_is_one_whichever_part_is_named(tmp_path: Path) -> None:
    written(tmp_path / "m.gguf", ("F32", "Q4_K", "Q8_0", "F16", "Q6_K"), split=2)
    paths = sorted(tmp_path.glob("m-*.gguf"))
    assert [path.name for path in paths] == [f"m-0000{i}-of-00003.gguf" for i in (1, 2, 3)]
    for path in paths:
        header = read_header(path)
        assert (header.architecture, len(header.tensors), header.path) == ("llama", 5, paths[0])
        assert [part.path for part in header.parts] == paths
        assert header.file_bytes == sum(part.stat().st_size for part in paths)
        assert Counter(entry.part for entry in header.tensors) == {0: 2, 1: 2, 2: 1}
        assert all(e.start + e.size_bytes <= header.parts[e.part].file_bytes for e in header.tensors)


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    written(tmp_path / "m.gguf", split=1)
    (tmp_path / "m-00003-of-00004.gguf").unlink()
    with pytest.raises(InputError, match=r"one of 4 parts, and beside it is missing m-00003-of-00004\.gguf: download"):
        read_header(tmp_path / "m-00002-of-00004.gguf")


def test_parts_under_wrong_names_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "m.gguf", split=2)
    first, second = sorted(tmp_path.glob("m-*.gguf"))
    second.write_bytes(first.read_bytes())
    with pytest.raises(InputError, match="not part 2 of 2 as its name says"):
        read_header(first)
    with pytest.raises(InputError, match="is one of 2 parts, not named as one: rename them to x-00001-of-00002"):
        read_header(first.rename(tmp_path / "x.gguf"))


def test_parts_of_several_downloads_do_not_belong_together(tmp_path: Path) -> None:
    written(tmp_path / "m.gguf", split=2)
    first, second = sorted(tmp_path.glob("m-*.gguf"))
    (tmp_path / "other").mkdir()
    written(tmp_path / "other" / "m.gguf", ("F32", "F16", "F32"), split=2)
    second.write_bytes((tmp_path / "other" / second.name).read_bytes())
    with pytest.raises(InputError, match="do not belong together"):
        read_header(first)


HUGE = 2**63
U64 = struct.Struct("<Q").pack
DAMAGED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is empty"),
    "three bytes": (b"GGU", "is no GGUF file"),
    "another format": (b"PK\3\4" + bytes(60), "is no GGUF file: it does not begin with GGUF"),
    "magic alone": (b"GGUF", "ends within its header, after 4 bytes"),
    "version 1": (gguf_bytes(version=1), "is of GGUF version 1"),
    "version of the future": (gguf_bytes(version=99), "is of GGUF version 99"),
    "big-endian": (b"GGUF" + struct.pack(">IQQ", 3, 0, 0), "big-endian"),
    "tensors beyond counting": (b"GGUF" + struct.pack("<IQQ", 3, HUGE, 0) + bytes(64), "9,223,372,036,854,775,808 te"),
    "keys beyond counting": (b"GGUF" + struct.pack("<IQQ", 3, 0, HUGE) + bytes(64), "9,223,372,036,854,775,808 keys"),
    "a key beyond the end": (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + U64(60_000) + b"k" * 9, "ends within its header"),
    "a key of gigabytes": (b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + U64(HUGE) + b"k" * 9, "65,535 are allowed"),
    "no key": (gguf_bytes([pair("", KIND.UINT8, b"\0")]), "one of its keys is empty"),
    "a key twice": (gguf_bytes([pair("k", KIND.UINT8, b"\0")] * 2), "its key 'k' is there twice"),
    "a key of no text": (gguf_bytes([pair(b"\xff\xfe", KIND.UINT8, b"\0")]), "a key is not UTF-8"),
    "a value of no text": (gguf_bytes([pair("k", KIND.STRING, text(b"\xc3("))]), "the text of 'k' is not UTF-8"),
    "a text beyond the end": (gguf_bytes([pair("k", KIND.STRING, U64(HUGE))]), "ends within its header"),
    "an unknown value type": (gguf_bytes([pair("k", 13, bytes(8))]), "unknown value type 13"),
    "an array of arrays": (gguf_bytes([pair("k", KIND.ARRAY, array(KIND.ARRAY, 1, bytes(99)))]), "array of arrays"),
    "an array of unknown": (gguf_bytes([pair("k", KIND.ARRAY, array(77, 1))]), "an array of the unknown type 77"),
    "strings beyond counting": (gguf_bytes([pair("k", KIND.ARRAY, array(KIND.STRING, HUGE))]), "more than any vocabul"),
    "numbers beyond the end": (gguf_bytes([pair("k", KIND.ARRAY, array(KIND.INT64, HUGE))]), "ends within its header"),
    "more strings than bytes": (gguf_bytes([pair("k", KIND.ARRAY, array(KIND.STRING, 99))]), "does not fit into it"),
    "no alignment": (gguf_bytes([pair("general.alignment", KIND.UINT32, bytes(4))]), "its alignment is 0"),
    "odd alignment": (gguf_bytes([pair("general.alignment", KIND.UINT32, b"\x21\0\0\0")]), "its alignment is 33"),
    "alignment in words": (gguf_bytes([pair("general.alignment", KIND.STRING, text("x"))]), "its alignment is x"),
    "parts in words": (gguf_bytes([pair("split.count", KIND.STRING, text("x"))]), "one of x parts"),
    "parts beyond counting": (gguf_bytes([pair("split.count", KIND.UINT64, U64(HUGE))]), "one of 9223372036854775808"),
    "no dimensions": (gguf_bytes(tensors=[tensor("a", ())]), "'a' has 0 dimensions"),
    "five dimensions": (gguf_bytes(tensors=[tensor("a", (1,) * 5)]), "'a' has 5 dimensions"),
    "dimensions beyond counting": (
        gguf_bytes(tensors=[text("a") + struct.pack("<I", 2**32 - 1) + bytes(64)]), "'a' has 4,294,967,295 dimensions",
    ),
    "nothing in it": (gguf_bytes(tensors=[tensor("a", (0, 4))]), "impossible shape (0, 4)"),
    "a part of a block": (gguf_bytes(tensors=[tensor("a", (100,), 12)]), "rows of Q4_K are multiples of 256"),
    "overflow": (gguf_bytes(tensors=[tensor("a", (2**62, 2**62))]), "it is truncated (its tensor 'a' ends at byte"),
    "negative": (gguf_bytes(tensors=[tensor("a", (2**64 - 1,))]), "it is truncated"),
    "an unknown tensor type": (gguf_bytes(tensors=[tensor("a", (4,), 4)]), "'a' has the unknown type 4"),
    "a tensor twice": (gguf_bytes(tensors=[tensor("a", (4,)), tensor("a", (4,), 0, 32)]), "'a' is there twice"),
    "a tensor without name": (gguf_bytes(tensors=[tensor("", (4,))]), "a tensor has no name"),
    "a tensor of long name": (gguf_bytes(tensors=[tensor("a" * 64, (4,))]), "is 64 bytes long where 63 are allowed"),
    "unaligned": (gguf_bytes(tensors=[tensor("a", (4,), 0, 4)]), "'a' lies at byte 4 of the data instead of 0"),
    "overlapping": (gguf_bytes(tensors=[tensor("a", (4,)), tensor("b", (4,))]), "'b' lies at byte 0 of the data inste"),
    "offset beyond the end": (gguf_bytes(tensors=[tensor("a", (4,), 0, HUGE)]), "instead of 0"),
    "truncated": (gguf_bytes(tensors=[tensor("a", (64,))]), "'a' ends at byte 320 of 192)"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_wrong_is_said_in_one_sentence(tmp_path: Path, name: str) -> None:
    data, words = DAMAGED[name]
    path = tmp_path / "x.gguf"
    path.write_bytes(data)
    with pytest.raises(InputError) as refusal:
        read_header(path)
    said = str(refusal.value)
    assert said.startswith(repr(str(path)))
    assert words in said
    assert "\n" not in said


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda folder: folder / "none.gguf", "cannot be read: no such file"),
        (lambda folder: folder, "is a folder: name the GGUF file in it"),
        (lambda folder: Path("a\0b.gguf"), "no file can have this name"),
        (lambda folder: folder / ("x" * 300), "cannot be read: file name too long"),
        (lambda folder: Path("/dev/null"), "is no ordinary file"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, make: Callable[[Path], Path], words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_header(make(tmp_path))


def test_hostile_files_are_refused_in_bounded_memory_and_time(tmp_path: Path) -> None:
    """Thousands of mutations in a process of its own, with a ceiling on its memory and a clock on each file."""
    command = [sys.executable, str(FUZZED), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    counts = json.loads(done.stdout)
    assert counts["other"] == []
    assert counts["valid"] + counts["refused"] == counts["tried"] >= 3000
    assert counts["valid"] > 50
