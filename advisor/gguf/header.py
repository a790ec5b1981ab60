"""What a GGUF model is made of: its parts on the disk, its metadata and the place of each tensor."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from advisor.gguf.metadata import Omitted, Value


@dataclass(frozen=True, slots=True)
class Part:
    """One file of a model."""

    path: Path
    file_bytes: int
    data_start: int
    """Bytes before the first tensor: header and padding."""


@dataclass(frozen=True, slots=True)
class TensorEntry:
    """One tensor; `shape` has the row length first."""

    name: str
    shape: tuple[int, ...]
    type: str
    """ggml type by its name in the catalog."""
    size_bytes: int
    start: int
    """Offset of its first byte in its file."""
    part: int = 0
    """Index of its file in `Header.parts`."""

    @property
    def file_range(self) -> tuple[int, int]:
        """Offsets of its first byte and of the byte after its last."""
        return self.start, self.start + self.size_bytes


@dataclass(frozen=True, slots=True, eq=False)
class Header:
    """All that a model's file, or its files together, say before the weights."""

    parts: tuple[Part, ...]
    metadata: Mapping[str, Value]
    tensors: tuple[TensorEntry, ...]
    modified: date
    """Day of the first file's last change."""

    @property
    def path(self) -> Path:
        """The first file."""
        return self.parts[0].path

    @property
    def file_bytes(self) -> int:
        """Bytes of all files."""
        return sum(part.file_bytes for part in self.parts)

    @property
    def tensor_bytes(self) -> int:
        """Bytes of all tensors, without padding between them."""
        return sum(tensor.size_bytes for tensor in self.tensors)

    @property
    def architecture(self) -> str:
        """As the file names it; empty where it does not."""
        return self.text("general.architecture")

    @property
    def vocabulary(self) -> int | None:
        """Tokens of the tokenizer; None where the file has none and the model reads token numbers alone."""
        tokens = self.metadata.get("tokenizer.ggml.tokens")
        return tokens.length if isinstance(tokens, Omitted) else None

    def text(self, key: str) -> str:
        """A short text of the metadata, stripped; empty where there is none."""
        value = self.metadata.get(key)
        return value.strip() if isinstance(value, str) else ""
