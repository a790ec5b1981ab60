"""The ggml devices of the process that loads a model, with their memory as it is now."""

from advisor.engine.devices import KINDS
from advisor.engine.library import Engine
from advisor.engine.session.messages import DeviceMemory

RPC = "RPC"


def device_memory(engine: Engine, device: int) -> DeviceMemory:
    """A device and its memory. An RPC server is asked over the connection that this process holds."""
    free_bytes, total_bytes = engine.memory_bytes(device)
    registry = engine.ggml.ggml_backend_dev_backend_reg(device)
    return DeviceMemory(
        name=engine.name(device),
        description=engine.description(device).strip(),
        backend=(engine.ggml.ggml_backend_reg_name(registry) or b"").decode(),
        kind=KINDS[engine.ggml.ggml_backend_dev_type(device)],
        free_bytes=free_bytes,
        total_bytes=total_bytes,
    )


def buffer_aliases(engine: Engine) -> dict[str, str]:
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
