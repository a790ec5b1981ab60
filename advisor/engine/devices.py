"""The devices that llama.cpp can put a model on, of every backend alike: what they are, and what they do not compute.

A driver may end the process that asks, and loading llama.cpp takes time, so `ask_ggml` asks in a process of its own:
`python -m advisor.engine.devices`.
"""

import ctypes
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from advisor.children import Child, Ended, module, own_output, requests
from advisor.detection.confinement import OWN_CGROUP, cgroup_folders, limit_bytes
from advisor.detection.graphics import Card, normal_pci_id
from advisor.engine.library import (
    GRAPHICS,
    DeviceKind,
    LlamaCpp,
    TensorHead,
    context,
    ggml,
    require_engine,
)
from advisor.engine.remote import RPC, Endpoint, protocol_at
from advisor.engine.settings import Record
from advisor.errors import InputError
from advisor.files import text_of
from advisor.gguf.encodings import NUMBERS
from catalog.units import GIB

PATIENCE_S: Final = 60.0
ROUTED_DIMENSIONS: Final = 3
COLUMNS: Final = 512
"""Tokens of the batch that a product is asked about. Source: as `refused_products`."""
_PCI_ADDRESS: Final = re.compile(r"[0-9a-fA-F]{4,8}:[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")


class Product(NamedTuple):
    """What a layer asks of a device, which may refuse it as too large for one of its buffers: to multiply by a matrix,
    or by one for each expert. ggml's type and its sizes, the summed one first.
    """

    type: str
    shape: tuple[int, ...]

    @property
    def routed(self) -> bool:
        """Whether each row takes some experts of it."""
        return len(self.shape) == ROUTED_DIMENSIONS


class Device(Record):
    """A device of llama.cpp with its memory as it is now; `nvml` is the card of NVIDIA's that it is."""

    name: str
    description: str
    kind: DeviceKind
    backend: str
    """CPU, CUDA, ROCm, MTL (Metal), Vulkan, SYCL, RPC or another of ggml's."""
    free_bytes: int
    """ggml calls all memory of a CPU free."""
    total_bytes: int
    pci_id: str | None = None
    nvml: Card | None = None


class _Properties(ctypes.Structure):
    """Source: struct ggml_backend_dev_props of ggml/include/ggml-backend.h (read 2026-11-25)."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("description", ctypes.c_char_p),
        ("memory_free", ctypes.c_size_t),
        ("memory_total", ctypes.c_size_t),
        ("type", ctypes.c_int),
        ("device_id", ctypes.c_char_p),
        ("caps", ctypes.c_bool * 64),  # five today; the room is for those to come
    )


def device_of(engine: LlamaCpp, handle: int) -> Device:
    """The device of a handle. An RPC server is asked over the connection that this process holds."""
    free_bytes, total_bytes = engine.memory_bytes(handle)
    properties = _Properties()
    engine.ggml.ggml_backend_dev_get_props(handle, ctypes.addressof(properties))
    # Other buses have other ids; the parts of a card that CUDA splits have "-v1" after its address.
    pci = _PCI_ADDRESS.match((properties.device_id or b"").decode())
    return Device(
        name=engine.name(handle),
        description=engine.description(handle).strip(),
        kind=engine.kind(handle),
        backend=engine.backend(handle),
        free_bytes=free_bytes,
        total_bytes=total_bytes,
        pci_id=normal_pci_id(pci[0]) if pci else None,
    )


def list_devices(cards: Sequence[Card] = ()) -> tuple[Device, ...]:
    """All devices in llama.cpp's order, those of `cards` linked to the devices that they are.

    The memory of the CPU is what this process may use of the computer's; that of a CPU behind RPC is all called free:
    its server does not look. Raises EngineMissing, and RemoteError when an RPC server that was connected to does not
    answer any more or is busy with another process.
    """
    import psutil

    engine = require_engine()
    found = []
    for handle in engine.device_handles():
        if engine.backend(handle) == RPC:
            protocol_at(Endpoint.parse(engine.description(handle)))  # llama.cpp would end the process, or wait for ever
        device = device_of(engine, handle)
        memory: dict[str, int] = {}
        if device.kind is DeviceKind.CPU:  # ggml calls all of it free, and sees no limit of a container
            limit = limit_bytes(cgroup_folders(text_of(OWN_CGROUP))) or device.total_bytes
            free = min(psutil.virtual_memory().available, limit)
            memory = {"free_bytes": free, "total_bytes": min(device.total_bytes, limit)}
        found.append(device.model_copy(update={**memory, "nvml": card_of(device, cards)}))
    return tuple(found)


def card_of(device: Device, cards: Iterable[Card]) -> Card | None:
    """The card that a device is: that at its PCI address, else the only one of its name."""
    if device.kind not in GRAPHICS or device.backend == RPC:
        return None
    known = tuple(cards)
    if device.pci_id is not None:
        at = [card for card in known if card.pci_id == device.pci_id]
        if at or all(card.pci_id for card in known):
            return at[0] if at else None
    named = [card for card in known if card.name == device.description]
    return named[0] if len(named) == 1 else None


class Ggml(Record):
    """The devices of this computer, or why there are none."""

    devices: tuple[Device, ...] = ()
    absent: str | None = None

    def cards(self) -> tuple[Card, ...]:
        """The graphics cards among them, for a system that lists none."""
        return tuple(
            Card(name=device.description, total_bytes=device.total_bytes)
            for device in self.devices if device.kind in GRAPHICS
        )

    def lines(self) -> Iterator[str]:
        """Each device in words, and why there is none."""
        for device in self.devices:
            yield f"{device.name}: {device.description} ({device.backend}), {device.total_bytes / GIB:.1f} GiB"
        if self.absent:
            yield self.absent


def ask_ggml(command: Sequence[str] = module("advisor.engine.devices")) -> Ggml:
    """The devices of this computer."""
    try:
        with Child(command) as child:
            return Ggml.model_validate_json(child.reply(PATIENCE_S))
    except Ended as ended:
        return Ggml(absent=f"llama.cpp, asked for its devices, {ended}")


def main() -> None:
    """Write the devices as JSON."""
    requests()  # it ends with its parent
    said = own_output()
    try:
        found = Ggml(devices=list_devices())
    except ModuleNotFoundError as error:
        found = Ggml(absent=f"llama.cpp's devices are not known: the Python package {error.name} is not installed")
    except InputError as error:
        found = Ggml(absent=f"llama.cpp's devices are not known: {error}")
    said.write(found.model_dump_json() + "\n")
    said.flush()


def buffer_aliases(engine: LlamaCpp) -> dict[str, str]:
    """Names of RPC devices by those of their buffers, which count each server's devices from 0.

    Source: ggml/src/ggml-rpc/ggml-rpc.cpp ggml_backend_rpc_buffer_type and ggml_backend_rpc_add_server.
    """
    aliases: dict[str, str] = {}
    seen: dict[str, int] = {}
    for device in engine.device_handles():
        name, endpoint = engine.name(device), engine.description(device)
        if name.startswith(RPC):
            aliases[f"{RPC}{seen.get(endpoint, 0)}[{endpoint}]"] = name
            seen[endpoint] = seen.get(endpoint, 0) + 1
    return aliases


def refused_products(engine: LlamaCpp, products: Iterable[Product]) -> dict[str, tuple[Product, ...]]:
    """By name of each device that is no CPU: those that it cannot multiply, and so lie in RAM.

    Asked as llama.cpp asks before it decides where a tensor goes: the operation on a tensor in an empty buffer of the
    device. Source: weight_buft_supported of llama.cpp src/llama-model-loader.cpp, as vendored in llama-cpp-python
    0.3.36 (read 2026-11-28).
    """
    asked = tuple(products)
    found: dict[str, tuple[Product, ...]] = {}
    for device in engine.device_handles() if asked else ():
        if engine.kind(device) is not DeviceKind.CPU:
            buffer_type = engine.ggml.ggml_backend_dev_buffer_type(device)
            found[engine.name(device)] = tuple(item for item in asked if not supports(device, buffer_type, item))
    return found


def supports(device: int, buffer_type: int, product: Product) -> bool:
    """Whether a device multiplies such a matrix with a batch where it lies in that type of buffer."""
    tensors = context(4)
    number, (width, rows, *experts) = NUMBERS[product.type], product.shape
    if product.routed:
        weights = ggml().ggml_new_tensor_3d(tensors, number, width, rows, *experts)
        batch = ggml().ggml_new_tensor_3d(tensors, NUMBERS["F32"], width, 1, COLUMNS)
        ids = ggml().ggml_new_tensor_2d(tensors, NUMBERS["I32"], 1, COLUMNS)
        operation = ggml().ggml_mul_mat_id(tensors, weights, batch, ids)
    else:
        weights = ggml().ggml_new_tensor_2d(tensors, number, width, rows)
        batch = ggml().ggml_new_tensor_2d(tensors, NUMBERS["F32"], width, COLUMNS)
        operation = ggml().ggml_mul_mat(tensors, weights, batch)
    empty = ggml().ggml_backend_buft_alloc_buffer(buffer_type, 0)
    TensorHead.from_address(weights).buffer = empty
    found = bool(ggml().ggml_backend_dev_supports_op(device, operation))
    ggml().ggml_backend_buffer_free(empty)
    ggml().ggml_free(tensors)
    return found


if __name__ == "__main__":
    main()
