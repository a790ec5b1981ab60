"""`advisor engine serve-device`: a device of this computer for another one."""

import sys
from types import FrameType

import click


@click.command("serve-device")
@click.option("--host", default="127.0.0.1", show_default=True, help="IPv4 address of this computer to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=50052, show_default=True, help="0 takes a free one.")
@click.option("--threads", type=int, help="Threads of the CPU; its physical cores if not given.")
@click.option(
    "--device", "devices", multiple=True, metavar="NAME", help="As 'advisor engine devices' names it. Repeat."
)
def command(*, host: str, port: int, threads: int | None, devices: tuple[str, ...]) -> None:
    """Offer devices of this computer to llama.cpp on another one, until Ctrl-C.

    Without --device these are its graphics cards, else its CPU. Clients need the same version of llama.cpp; one at a
    time is served. There is neither password nor encryption: only the loopback is listened at unless --host says more.
    """
    import signal

    from advisor.engine.remote import Endpoint, RpcServer, address_of, exposure

    at = Endpoint(address_of(host), port)
    if warning := exposure(at):
        click.echo(f"warning: {warning}", err=True)
    signal.signal(signal.SIGTERM, _interrupt)
    with RpcServer.start(at, threads=threads, devices=devices, log=sys.stderr) as server:
        try:
            click.echo(f"listening at {server.endpoint} (protocol {server.protocol}); Ctrl-C ends it")
            sys.stdout.flush()
            end = server.wait()
        except KeyboardInterrupt:
            click.echo("stopped", err=True)
            return
    click.echo(f"advisor: the RPC server at {server.endpoint} {end}", err=True)
    click.get_current_context().exit(1)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the handler's signature
    raise KeyboardInterrupt
