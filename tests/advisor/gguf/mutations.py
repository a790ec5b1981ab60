"""Damages small GGUF files in thousands of ways and reads them under ceilings; started by test_header.py.

Prints as JSON how many were tried, found sound and refused, and what else happened.
"""

import json
import random
import resource
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np

from advisor.errors import InputError
from advisor.gguf import read_header
from advisor.gguf.model_file import read_model_file

FILES = 3000
MEMORY_BYTES = 128 << 20
"""May be added to what Python and its packages take when they are loaded."""
CPU_SECONDS = 120
"""For all files together: 30 ms each, on a machine that does other things too."""
LENGTHS = (0, 1, 2**16, 2**31 - 1, 2**31, 2**32, 2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
Rows = list[tuple[str, tuple[int, ...]]]


def sources(folder: Path) -> Iterator[tuple[bytes, int]]:
    """Headers of sound files with the sizes of the files: dense, sliding, with experts, recurrent."""
    dense: Rows = [
        ("attn_q", (256, 256)), ("attn_k", (128, 256)), ("attn_v", (128, 256)), ("attn_output", (256, 256)),
        ("ffn_up", (512, 256)), ("ffn_down", (256, 512)),
    ]
    experts: Rows = [
        *dense[:4], ("ffn_gate_inp", (4, 256)), ("ffn_up_exps", (4, 256, 256)), ("ffn_down_exps", (4, 256, 256)),
    ]
    state: Rows = [("ssm_conv1d", (768, 4)), ("ssm_beta", (4, 256)), ("attn_qkv", (768, 256)), *experts[4:]]
    yield written(folder / "llama.gguf", "llama", [dense] * 3)
    yield written(folder / "gemma3.gguf", "gemma3", [dense] * 7)
    yield written(folder / "qwen3moe.gguf", "qwen3moe", [experts] * 2)
    yield written(folder / "qwen35moe.gguf", "qwen35moe", [state, state, state, experts])


def written(path: Path, architecture: str, layers: list[Rows]) -> tuple[bytes, int]:
    writer = gguf.GGUFWriter(path, architecture)
    numbers = {
        "block_count": len(layers), "embedding_length": 256, "context_length": 4096, "attention.head_count": 4,
        "attention.head_count_kv": 2, "attention.key_length": 64, "attention.value_length": 64,
        "attention.sliding_window": 512, "expert_count": 4, "expert_used_count": 2, "ssm.conv_kernel": 4,
        "ssm.inner_size": 256, "ssm.state_size": 64, "ssm.time_step_rank": 4, "ssm.group_count": 4,
    }
    for key, value in numbers.items():
        writer.add_uint32(f"{architecture}.{key}", value)
    writer.add_token_list([f"t{i}" for i in range(50)])
    writer.add_token_scores([0.0] * 50)
    rows = [(f"blk.{i}.{name}.weight", shape) for i, layer in enumerate(layers) for name, shape in layer]
    for name, shape in [("token_embd.weight", (50, 256)), *rows]:
        writer.add_tensor(name, np.zeros(shape, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    start = min(entry.start for entry in read_header(path).tensors)
    return path.read_bytes()[:start], path.stat().st_size


def mutated(head: bytes, rng: random.Random) -> bytes:
    """Bits flipped, bytes replaced, lengths blown up, pieces taken out, put in, doubled or swapped."""
    data, at = bytearray(head), rng.randrange(len(head) - 16)
    match rng.randrange(7):
        case 0:
            for _ in range(rng.randint(1, 8)):
                data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case 1:
            data[at] = rng.randrange(256)
        case 2:
            data[at : at + 8] = struct.pack("<Q", rng.choice((*LENGTHS, rng.getrandbits(64))))
        case 3:
            data[at : at + 4] = struct.pack("<I", rng.choice((0, 1, 9, 13, 2**31, 2**32 - 1)))
        case 4:
            del data[at : at + rng.randint(1, 64)]
        case 5:
            data[at:at] = rng.randbytes(rng.randint(1, 64))
        case _:
            key = rng.choice((b"block_count", b"head_count", b"length", b"expert", b"ssm.", b"sliding_window", b"blk."))
            places = [i for i in range(len(data)) if data.startswith(key, i)]
            place = rng.choice(places) + rng.randrange(12, 32)
            data[place : place + 4] = struct.pack("<I", rng.choice((0, 1, 2, 3, 5, 2**16, 2**31, 2**32 - 1)))
    return bytes(data)


def outcome(path: Path) -> str:
    """How one file ends: "valid", "refused", or what must not be."""
    try:
        model = read_model_file(path)
    except InputError as error:
        return "refused" if "\n" not in str(error) else f"several lines: {error}"
    except MemoryError:
        return "out of memory"
    except Exception as error:  # noqa: BLE001 - what is looked for
        return repr(error)
    sound = int(model.footprint.file_bytes) == model.header.tensor_bytes <= model.header.file_bytes
    return "valid" if sound else f"sizes that do not add up: {path}"


def limited() -> None:
    """Ceilings on memory and work; the system ends a process that goes beyond the second."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    ceiling = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (ceiling, ceiling))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def main(folder: Path) -> None:
    rng, found = random.Random(20261124), []
    heads = list(sources(folder))
    for name in ("llama", "gemma3", "qwen3moe", "qwen35moe"):
        assert read_model_file(folder / f"{name}.gguf").llm.architecture == name
    limited()
    path = folder / "mutated.gguf"
    for _ in range(FILES):
        head, file_bytes = rng.choice(heads)
        path.write_bytes(mutated(head, rng))
        with path.open("r+b") as file:
            file.truncate(rng.randrange(file_bytes) if rng.random() < 0.1 else file_bytes)
        found.append(outcome(path))
    other = sorted(set(found) - {"valid", "refused"})
    counts = {"tried": len(found), "valid": found.count("valid"), "refused": found.count("refused"), "other": other}
    sys.stdout.write(json.dumps(counts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
