"""The numbers that an architecture's keys hold, checked: whole, not negative, one for all layers or one for each."""

from advisor.errors import InputError
from advisor.gguf.header import Header
from advisor.gguf.metadata import Value

LARGEST = 2**31 - 1
"""llama.cpp keeps them as 32-bit numbers."""
LAYERS_LIMIT = 512
"""Source: llama.cpp src/llama-hparams.h LLAMA_MAX_LAYERS."""


class Hyperparameters:
    """Values of the keys that begin with the architecture's name."""

    def __init__(self, header: Header) -> None:
        self._header = header

    def __contains__(self, key: str) -> bool:
        return self._value(key) is not None

    def refusal(self, what: str) -> InputError:
        """The error that says what cannot be true of this file."""
        return InputError(f"{str(self._header.path)!r} contradicts itself: {what}; download it again or name another")

    def count(self, key: str, default: int | None = None) -> int:
        """One number for the whole model. Raises `InputError` where it is missing and there is no default."""
        value = self._value(key)
        if value is None and default is not None:
            return default
        return self._checked(key, value)

    def per_layer(self, key: str, n: int, default: int | None = None) -> tuple[int, ...]:
        """A number for each of the first `n` layers, whether the file has one for all or one for each."""
        value = self._value(key)
        if not isinstance(value, tuple):
            return (self.count(key, default),) * n
        if len(value) < n:
            raise self.refusal(f"{self._named(key)} has {len(value)} values for {n} layers")
        return tuple(self._checked(key, int(item) if isinstance(item, bool) else item) for item in value[:n])

    def is_list(self, key: str) -> bool:
        """Whether the file has a value for each layer."""
        return isinstance(self._value(key), tuple)

    def _named(self, key: str) -> str:
        return f"{self._header.architecture}.{key}"

    def _value(self, key: str) -> Value | None:
        return self._header.metadata.get(self._named(key))

    def _checked(self, key: str, value: Value | None) -> int:
        if value is None:
            raise self.refusal(f"it has no {self._named(key)}")
        if type(value) is not int or not 0 <= value <= LARGEST:
            raise self.refusal(f"{self._named(key)} is {str(value)[:40]}, not a whole number up to {LARGEST}")
        return value
