"""`advisor app`: the pages in the browser."""

from importlib.util import find_spec

import click

from advisor.errors import InputError

ADDRESS = "127.0.0.1"
UPLOAD_MB = 1
"""A calibration profile has some ten kilobytes."""
SETTINGS = {
    "server.address": ADDRESS, "server.headless": "true", "server.enableXsrfProtection": "true",
    "server.maxUploadSize": str(UPLOAD_MB), "server.fileWatcherType": "none", "server.showEmailPrompt": "false",
    "browser.gatherUsageStats": "false", "client.showErrorDetails": "none", "client.toolbarMode": "viewer",
}  # fmt: skip


@click.command("app")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8501, show_default=True, metavar="N", help="Port to listen on."
)
def command(port: int) -> None:
    """Serve the pages to a browser on this machine: find a build, explore a model, compare, see the evidence.

    Only this machine can reach them. No usage statistics are sent. Ctrl-C ends it.
    """
    if find_spec("streamlit") is None:
        raise InputError("the pages need the extra 'web': pip install 'llm-hardware-advisor[web]'")
    _free(port)
    click.echo(f"reading the tables; the pages will be at http://{ADDRESS}:{port}", err=True)
    from streamlit.web.cli import main_run

    from webapp.pages import app

    app.warm()
    options = [word for name, value in SETTINGS.items() for word in (f"--{name}", value)]
    main_run.main([str(app.__file__), "--server.port", str(port), *options], standalone_mode=False)


def _free(port: int) -> None:
    """Refuse a port that something else listens on, before anything is loaded."""
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((ADDRESS, port))
        except OSError as error:
            raise InputError(f"--port {port} cannot be used ({(error.strerror or '').lower()}): give another") from None
