"""RPC servers: offered, reached, refused.

What uses a server's device runs in a process of its own: a server that ends takes along the process that uses it.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from advisor.engine.library import DeviceMissing, require_engine
from advisor.engine.remote import (
    Endpoint,
    Protocol,
    RemoteError,
    RpcMissing,
    RpcServer,
    connect,
    exposure,
    protocol_at,
    rpc_function,
)

ROOT = Path(__file__).parents[3]
COMMAND = (sys.executable, "-m", "advisor", "engine")
ENDED_S = 30.0
LAST = b"enough"
LOAD = """
import sys
from advisor.engine.remote import Endpoint
from advisor.engine.library import require_engine
from advisor.engine.remote import connect
connect(Endpoint.parse(sys.argv[1]))
llama = require_engine().llama
lines = []
hear = llama.llama_log_callback(lambda level, text, data: lines.append(text.decode()))
llama.llama_log_set(hear, None)
parameters = llama.llama_model_default_params()
parameters.n_gpu_layers = 99
model = llama.llama_model_load_from_file(sys.argv[2].encode(), parameters)
options = llama.llama_context_default_params()
options.n_ctx = 64
context = llama.llama_init_from_model(model, options)
tokens = (llama.llama_token * 2)(2, 1000)
print("decoded", llama.llama_decode(context, llama.llama_batch_get_one(tokens, 2)))
print("".join(lines))
llama.llama_free(context)
llama.llama_model_free(model)
"""


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


def eventually(holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + ENDED_S
    while not holds() and time.monotonic() < end:
        time.sleep(0.02)
    return holds()


@contextmanager
def answering(answer: bytes) -> Iterator[Endpoint]:
    """A server that answers whatever it is sent by these bytes, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                connection, _ = listener.accept()
                with connection:
                    if connection.recv(64) == LAST:
                        return
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        address = listener.getsockname()
        try:
            yield Endpoint(*address)
        finally:
            with socket.create_connection(address) as connection:
                connection.sendall(LAST)
            thread.join()


def test_llama_sees_the_device_of_a_server_beside_its_own(remote_device: str) -> None:
    result = ran("devices", "--rpc", remote_device)
    assert (result.returncode, result.stderr) == (0, "")
    assert re.search(r"^CPU: .+ \(CPU\), ", result.stdout, re.MULTILINE)
    assert re.search(rf"^RPC0: {remote_device} \(RPC\), [\d.]+ of [\d.]+ GiB free$", result.stdout, re.MULTILINE)


def test_connecting_twice_is_connecting_once(remote_device: str) -> None:
    result = ran("devices", "--rpc", remote_device, "--rpc", remote_device)
    assert result.stdout.count("(RPC)") == 1


def test_a_model_lies_and_computes_on_the_device_of_a_server(remote_device: str, gemma_path: Path) -> None:
    command = [sys.executable, "-c", LOAD, remote_device, str(gemma_path)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "decoded 0" in told
    weights = re.search(r"RPC0\S*\s+model buffer size\s*=\s*([\d.]+) MiB", told)
    # The output matrix is tied to the embedding, so nearly all of the file of 241 MiB goes to the device.
    assert weights
    assert float(weights[1]) > 200
    assert re.search(r"RPC0\S*\s+KV buffer size", told)


def test_a_server_is_the_same_whatever_name_its_host_is_given(remote_device: str) -> None:
    port = remote_device.partition(":")[2]
    assert str(Endpoint.parse(f"localhost:{port}")) == remote_device


def test_a_server_tells_its_protocol_and_ends_when_it_is_left() -> None:
    with RpcServer.start(threads=1) as server:
        assert protocol_at(server.endpoint) == server.protocol
        assert server.endpoint.is_loopback
        assert server.child.runs
    assert not server.child.runs
    with pytest.raises(RemoteError, match=r"no RPC server can be reached .* start one there with"):
        protocol_at(server.endpoint)


def test_a_server_ends_with_the_process_that_started_it() -> None:
    code = """
from advisor.engine.remote import RpcServer
server = RpcServer.start(threads=1)
print(server.child.pid, flush=True)
input()
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout
        server = psutil.Process(int(parent.stdout.readline()))
        assert server.is_running()
        parent.kill()
    assert eventually(lambda: not server.is_running() or server.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_the_command_offers_a_device_until_it_is_interrupted(number: signal.Signals) -> None:
    command = [*COMMAND, "serve-device", "--port", "0", "--threads", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout
        assert process.stderr
        told = re.match(r"listening at (\S+) \(protocol (\d+)\.", process.stdout.readline())
        assert told
        endpoint = Endpoint.parse(told[1])
        assert protocol_at(endpoint).major == int(told[2])
        os.kill(process.pid, number)
        assert process.wait(ENDED_S) == 0
        said = process.stderr.read()
    assert "stopped" in said
    assert "Traceback" not in said
    assert "warning" not in said
    with pytest.raises(RemoteError):
        protocol_at(endpoint)


def test_a_server_that_ends_by_itself_is_told() -> None:
    command = [*COMMAND, "serve-device", "--port", "0", "--threads", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        (server,) = psutil.Process(process.pid).children()
        server.kill()
        assert process.wait(ENDED_S) == 1
        said = process.stderr.read().splitlines()[-1]
    assert re.fullmatch(r"advisor: the RPC server at \S+ was killed \(SIGKILL\), as systems do .*", said)


def test_a_port_in_use_is_refused(remote_device: str) -> None:
    result = ran("serve-device", "--port", remote_device.partition(":")[2])
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "is in use: stop the program that listens there, or take another port" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--host", "no-such-host.invalid"], "no IPv4 address is known of the host 'no-such-host.invalid'"),
        (["--host", "::1"], "no IPv4 address is known of the host '::1'"),
        (["--threads", "0"], "0 threads cannot be had: this computer runs 1 to"),
        (["--threads", "100000"], "100000 threads cannot be had: this computer runs 1 to"),
        (["--device", "CUDA77"], "llama.cpp has no device 'CUDA77' here; it has"),
        (["--port", "70000"], "Invalid value for '--port': 70000 is not in the range"),
    ],
)
def test_what_cannot_be_offered_is_refused_in_one_sentence(arguments: list[str], told: str) -> None:
    result = ran("serve-device", "--port", "0", *arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"advisor: {told}")


def test_an_address_of_another_computer_is_refused_after_the_warning() -> None:
    result = ran("serve-device", "--host", "192.0.2.1", "--port", "0")  # RFC 5737: for documentation, nobody's
    warning, refusal = result.stderr.splitlines()
    assert result.returncode == 2
    assert warning.startswith("warning: whoever can reach 192.0.2.1:0 can use this computer's memory")
    assert refusal.startswith("advisor: 192.0.2.1 is no address of this computer")


@pytest.mark.parametrize(("host", "warned"), [("127.0.0.1", False), ("127.3.2.1", False), ("0.0.0.0", True)])
def test_other_addresses_than_the_loopback_are_warned_of(host: str, warned: bool) -> None:
    warning = exposure(Endpoint(host, 50052))
    assert (warning is not None) == warned
    assert not warned or "no password and no encryption" in str(warning)


@pytest.mark.parametrize(
    "text", ["", ":50052", "host:", "host:port", "::1", "1.2.3.4:70000", "a b:1", "h:" + "9" * 5000]
)
def test_what_is_no_endpoint_is_refused(text: str) -> None:
    with pytest.raises(RemoteError, match="is no endpoint: give HOST:PORT"):
        Endpoint.parse(text)


def test_the_usual_port_is_taken_where_none_is_given() -> None:
    assert Endpoint.parse("127.0.0.1") == Endpoint("127.0.0.1", 50052)


def test_a_server_that_cannot_be_reached_is_refused_in_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        result = ran("devices", "--rpc", "{}:{}".format(*taken.getsockname()))
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.count("\n") == 1
    assert "no RPC server can be reached at 127.0.0.1:" in result.stderr


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" + bytes(40), bytes(3)])
def test_another_server_is_refused(answer: bytes) -> None:
    with answering(answer) as endpoint, pytest.raises(RemoteError, match="is no RPC server of this kind"):
        protocol_at(endpoint)


def test_a_server_of_another_version_is_refused_and_this_process_lives() -> None:
    hello = (28).to_bytes(8, "little") + bytes([1, 2, 3]) + bytes(25)  # size, version 1.2.3, no capabilities
    with answering(hello) as endpoint:
        assert protocol_at(endpoint) == Protocol(1, 2, 3)
    with answering(hello) as endpoint, pytest.raises(RemoteError, match=r"speaks version 1\.2\.3 .* cannot use it"):
        connect(endpoint)


def test_a_server_that_serves_another_client_is_not_waited_for_for_ever(remote_device: str) -> None:
    endpoint = Endpoint.parse(remote_device)
    told = r"does not answer within 0\.2 s: it may be serving another client"
    silent = socket.create_connection((endpoint.host, endpoint.port))
    with silent, pytest.raises(RemoteError, match=told):
        protocol_at(endpoint, timeout_s=0.2)
    assert protocol_at(endpoint).major >= 1


def test_a_build_without_rpc_is_told_with_the_command_that_builds_it() -> None:
    without = replace(require_engine(), ggml=SimpleNamespace(ggml_backend_reg_by_name=lambda name: None))
    with pytest.raises(RpcMissing, match=r"built without RPC here.*CMAKE_ARGS=.-DGGML_RPC=ON. .*--force-reinstall"):
        rpc_function(without, "add_server")


def test_a_device_that_is_not_there_cannot_be_offered() -> None:
    with pytest.raises(DeviceMissing):
        RpcServer.start(devices=["CUDA77"])
