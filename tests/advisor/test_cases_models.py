"""Public reports and questions about models and quantisations: what was measured or is true must come out.

The number of each case is that of its issue or pull request, whose address stands beside it; read 2026-11-23 to 29.
"""

import json
from pathlib import Path
from typing import Any

import gguf
import pytest

from advisor.cli.app import run
from advisor.errors import InputError
from advisor.gguf.model_file import read_model_file
from advisor.sizes import Tensor
from catalog.tables import llms
from catalog.units import GIB
from tests.advisor.gguf.test_described import write

MIB = 2**20
CARD = ("--gpu", "RTX 3060 12GB")


def predicted(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    assert run(["predict", *arguments, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run(["predict", *arguments]) == 2
    return capsys.readouterr().err


def file_of(path: Path, architecture: str, tensors: list[Tensor], keys: dict[str, object]) -> Path:
    """A sparse file of an architecture that the catalog has no row of."""
    named = next(iter(llms())).model_copy(update={"architecture": architecture})
    return write(path, named, tuple(tensors), keys)


def rwkv7(layers: int, width: int, vocabulary: int, kind: str) -> list[Tensor]:
    """RWKV-7 of 1.5 billion parameters: ranks 96, 96, 64 and 256 give its published count (llama.cpp rwkv7.cpp)."""
    outside = ("token_embd.weight", "output.weight")
    tensors = [Tensor(name, None, "output", (width, vocabulary), kind) for name in outside]
    for i in range(layers):
        matrices = [("receptance", width), ("key", width), ("value", width), ("output", width)]
        shapes = [(f"time_mix_{name}", (width, out)) for name, out in matrices]
        shapes += [("channel_mix_key", (width, 4 * width)), ("channel_mix_value", (4 * width, width))]
        for name, rank in (("w", 96), ("a", 96), ("v", 64), ("g", 256)):
            shapes += [(f"time_mix_{name}1", (width, rank)), (f"time_mix_{name}2", (rank, width))]
        tensors += [Tensor(f"blk.{i}.{name}.weight", i, "recurrent", shape, kind) for name, shape in shapes]
        tensors += [Tensor(f"blk.{i}.attn_norm.weight", i, "norm", (width,), "F32")]
    return tensors


def test_a_rwkv_file_is_read_with_its_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Case 81, github.com/tobocop2/lilbee/pull/762: rwkv7-g1c-1.5b takes 1,562 MiB (Q8_0)."""
    keys: dict[str, object] = {
        "block_count": 24, "embedding_length": 2048, "context_length": 1 << 20, "attention.head_count": 0,
        "wkv.head_size": 64, "feed_forward_length": 8192,
    }
    path = file_of(tmp_path / "rwkv7-g1c-1.5b-Q8_0.gguf", "rwkv7", rwkv7(24, 2048, 65536, "Q8_0"), keys)
    found = read_model_file(path).footprint
    state = float(found.layer_recurrent_bytes.sum())
    assert state == 24 * 4 * (32 * 64 * 64 + 2 * 2048)
    assert (found.file_bytes + state) / MIB == pytest.approx(1562, rel=0.01)
    assert found.parameters == pytest.approx(1_527_668_736, rel=0.001)
    answer = predicted(capsys, "--gguf", str(path), *CARD)
    assert answer["fits"]
    assert answer["placement"]["kv_gb"] == pytest.approx(0, abs=0.02)
    assert predicted(capsys, "--gguf", str(path), *CARD, "--context", "262144")["placement"]["kv_gb"] < 0.02


def test_a_mamba_2_file_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Mamba2-2.7B (state-spaces): 64 layers of 2560, inner 5120, state 128, 80 heads, one group; no cache either."""
    width, inner, state, heads, layers = 2560, 5120, 128, 80, 64
    conv = inner + 2 * state
    tensors = [Tensor("token_embd.weight", None, "token_embedding", (width, 50288), "F16")]
    for i in range(layers):
        shapes = {
            "attn_norm.weight": (width,), "ssm_in.weight": (width, 2 * inner + 2 * state + heads),
            "ssm_conv1d.weight": (4, conv), "ssm_conv1d.bias": (conv,), "ssm_dt.bias": (heads,), "ssm_a": (1, heads),
            "ssm_d": (1, heads), "ssm_norm.weight": (inner,), "ssm_out.weight": (inner, width),
        }
        kinds = {"ssm_in.weight": "F16", "ssm_out.weight": "F16"}
        tensors += [Tensor(f"blk.{i}.{n}", i, "recurrent", s, kinds.get(n, "F32")) for n, s in shapes.items()]
    keys: dict[str, object] = {
        "block_count": layers, "embedding_length": width, "context_length": 1 << 20, "attention.head_count": 0,
        "ssm.inner_size": inner, "ssm.state_size": state, "ssm.time_step_rank": heads, "ssm.group_count": 1,
        "ssm.conv_kernel": 4,
    }
    path = file_of(tmp_path / "mamba2-2.7b-F16.gguf", "mamba2", tensors, keys)
    found = read_model_file(path)
    assert (found.llm.recurrent, found.llm.attention_kinds()) == ("mamba2", "R" * 64)
    assert found.footprint.parameters / 1e9 == pytest.approx(2.7, rel=0.02)
    assert float(found.footprint.layer_recurrent_bytes[0]) == 4 * (3 * conv + heads * state * 64)
    assert predicted(capsys, "--gguf", str(path), *CARD)["fits"]


@pytest.mark.parametrize(
    ("architecture", "sentence"),
    [
        # Of case 80 (gpustack issue 2412), an encoder, the weights are told.
        ("bert", "is an encoder (bert): it makes embeddings and writes no text"), ("nomic-bert", "is an encoder"),
        # Case 82 (gpustack issue 1601) wants a clear refusal.
        ("flux", "is a model for images or video (flux), no language model"), ("sdxl", "for images or video"),
        ("mllama", "has the architecture 'mllama', which is not supported"),
    ],
)
def test_what_writes_no_text_is_refused_with_the_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], architecture: str, sentence: str
) -> None:
    tensors = [Tensor("token_embd.weight", None, "token_embedding", (1024, 250_002), "F16")]
    path = file_of(tmp_path / "model.gguf", architecture, tensors, {"block_count": 24, "embedding_length": 1024})
    assert sentence in refused(capsys, "--gguf", str(path), *CARD)


def test_an_encoder_by_name_is_refused_with_the_reason_and_not_with_a_neighbour(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Case 80: bge-m3 was answered with "nearest: Gemma-3-1B"."""
    told = refused(capsys, "--model", "BAAI/bge-m3", *CARD)
    assert "it makes embeddings and no text" in told
    assert "Gemma" not in told


@pytest.mark.parametrize(
    ("quant", "bits", "said"),
    [
        # the widths as their labels state them (github.com/ikawrakow/ik_llama.cpp, ByteShape, antirez/ds4)
        ("3.9 bpw", 3.9, "3.9 bits per weight"), ("custom mix ~3.9 bpw", 3.9, "of a recipe not known"),
        ("IQ2_S-2.17bpw", 2.17, "computed as IQ2_S"), ("AD-4.27bpw-Q4_K_M-M64", 4.27, "computed as Q4_K_M"),
        ("MLX 4-bit", 4.5, "4 bits of MLX"), ("pure-q4_0", 4.5, "every matrix in Q4_0"),
        ("Q4-XYZ-v2 (15.06 GB)", 15.06e9 * 8 / 30.53e9, "a file of 15.06 GB"),
    ],
)
def test_a_width_or_size_is_taken_as_stated(
    capsys: pytest.CaptureFixture[str], quant: str, bits: float, said: str
) -> None:
    found = predicted(capsys, "--model", "Qwen3-30B-A3B", "--quant", quant, "--gpu", "RTX 3090")
    assert found["placement"]["weights_gb"] * GIB * 8 / 30.53e9 == pytest.approx(bits, rel=0.002)
    assert any(said in told for told in found["assumptions"])


@pytest.mark.parametrize(
    ("model", "quant", "gib", "within"),
    [
        ("Qwen3.6-35B-A3B", "UD-IQ4_NL_XL", 18.15, 0.03),  # public runs of that file
        ("Qwen2.5-3B", "Q4_0_8_8", 1.69, 0.03),  # ggml.h of 2026-08-22: the bytes of Q4_0; public runs
        ("Qwen3-14B", "IQ2_KL", 5.141, 0.04),  # github.com/ikawrakow/ik_llama.cpp/pull/602, embedding wider
        ("DeepSeek-V3.1", "UD-TQ1_0", 162e9 / GIB, 0.03),  # unsloth's pages, from memory
        ("Kimi-K2", "UD-TQ1_0", 245e9 / GIB, 0.03),  # docs.unsloth.ai/basics/kimi-k2-how-to-run-locally (case 84)
    ],
)
def test_names_of_quantisations_have_the_sizes_of_their_files(
    capsys: pytest.CaptureFixture[str], model: str, quant: str, gib: float, within: float
) -> None:
    found = predicted(capsys, "--model", model, "--quant", quant, "--machine", "M3 Ultra 512GB")
    assert found["placement"]["weights_gb"] == pytest.approx(gib, rel=within)


@pytest.mark.parametrize(
    ("quant", "sentence"),
    [
        ("Q4_K_P", "its recipe is not published"), ("exl3 3.05bpw", "llama.cpp does not read it"),
        ("AVQ2", "only a fork of llama.cpp reads it"), ("4bit", "several types have as many bits"),
        ("gguf-q4_k_m-reap50", "a model with experts taken out"), ("UD-IQ2_XS", "its recipe is not published"),
        ("banana", "is not in the catalog"),
    ],
)
def test_labels_that_name_no_type_are_refused_with_the_way_out(
    capsys: pytest.CaptureFixture[str], quant: str, sentence: str
) -> None:
    told = refused(capsys, "--model", "Qwen3-8B", "--quant", quant, *CARD)
    assert sentence in told
    assert 'give the bits per weight, such as "4.25 bpw"' in told


def test_a_stand_in_is_said_beside_the_answer(capsys: pytest.CaptureFixture[str]) -> None:
    found = predicted(capsys, "--model", "DeepSeek-R1-0528-Qwen3-8B", "--quant", "Q4_K_M", *CARD)
    assert "has the tensor shapes of Qwen3-8B: taken as it, with its own context of 131,072 tokens" in " ".join(
        found["assumptions"]
    )


@pytest.mark.parametrize("name", ["Llama-3.2-11B-Vision", "DeepSeek-V4.1-Flash", "Nanbeige4.2-3B", "RWKV7-2.9B"])
def test_a_model_that_cannot_be_answered_says_why(capsys: pytest.CaptureFixture[str], name: str) -> None:
    told = refused(capsys, "--model", name, *CARD)
    assert f"model '{name}' cannot be answered: " in told
    assert "nearest" not in told


def test_a_damaged_recurrent_header_is_refused(tmp_path: Path) -> None:
    keys: dict[str, object] = {
        "block_count": 1, "embedding_length": 2048, "context_length": 4096, "attention.head_count": 0,
        "wkv.head_size": 60,
    }
    path = file_of(tmp_path / "x.gguf", "rwkv7", rwkv7(1, 2048, 256, "F16"), keys)
    with pytest.raises(InputError, match="is not made of heads of 60"):
        read_model_file(path)
    assert gguf.MODEL_ARCH.RWKV7
