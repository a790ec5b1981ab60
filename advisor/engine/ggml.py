"""The devices that llama.cpp has here, asked in a process of its own: `python -m advisor.engine.ggml`.

A driver may end it, and loading llama.cpp takes time, so only who asks for it waits.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from pydantic import BaseModel, ConfigDict

from advisor.children import Child, Ended, module, own_output, requests
from advisor.detection.graphics import Card
from catalog.units import GIB

PATIENCE_S: Final = 60.0
_GRAPHICS: Final = frozenset({"gpu", "igpu"})


class GgmlDevice(BaseModel):
    """A device as llama.cpp names it; `backend` is CPU, CUDA, Vulkan or another."""

    model_config = ConfigDict(frozen=True)

    name: str
    description: str
    kind: str
    backend: str
    total_bytes: int


class Ggml(BaseModel):
    """The devices, or why there are none."""

    model_config = ConfigDict(frozen=True)

    devices: tuple[GgmlDevice, ...] = ()
    absent: str | None = None


def ask_ggml(command: Sequence[str] = module("advisor.engine.ggml")) -> Ggml:
    """The devices of this computer."""
    try:
        with Child(command) as child:
            return Ggml.model_validate_json(child.reply(PATIENCE_S))
    except Ended as ended:
        return Ggml(absent=f"llama.cpp, asked for its devices, {ended}")


def cards_of(found: Ggml) -> tuple[Card, ...]:
    """Its graphics cards, for a system that lists none."""
    return tuple(
        Card(device.description, float(round(device.total_bytes / GIB)) or None)
        for device in found.devices if device.kind in _GRAPHICS
    )  # fmt: skip


def main() -> None:
    """Write the devices as JSON."""
    from advisor.errors import InputError

    requests()  # it ends with its parent
    said = own_output()
    try:
        from advisor.engine.devices import list_devices

        found: dict[str, Any] = {"devices": [device.model_dump(mode="json") for device in list_devices()]}
    except ModuleNotFoundError as error:
        found = {"absent": f"llama.cpp's devices are not known: the Python package {error.name} is not installed"}
    except InputError as error:
        found = {"absent": f"llama.cpp's devices are not known: {error}"}
    said.write(json.dumps(found) + "\n")
    said.flush()


if __name__ == "__main__":
    main()
