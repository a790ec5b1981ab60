"""`advisor serve` and `advisor app`: the JSON API for other programs, and the pages for a browser."""

from errno import EADDRNOTAVAIL

import click

from advisor.errors import InputError
from advisor.extras import require

TEXT = """
Serve predictions and recommendations as JSON over HTTP, for other programs. Ctrl-C stops it, once what has begun is
answered.

\b
  advisor serve --port 8000 --workers 2
  curl -s http://127.0.0.1:8000/v1/predictions -H 'Content-Type: application/json' \\
      -d '{"model": "gpt-oss-20b", "hardware": {"gpus": [{"name": "RTX 3060 12GB"}]}}'

GET /openapi.json describes all calls. Only this computer can ask unless --host says otherwise.

\b
Settings are taken from the environment:
  ADVISOR_API_TOKEN         token that storing a calibration needs; without one
                            only this computer may
  ADVISOR_DATABASE_URL      where calibrations are stored:
                            postgresql://USER@HOST/NAME (default: a file)
  ADVISOR_GGUF_FOLDER       the one folder that {"gguf": "FILE"} may name files in
  ADVISOR_CORS_ORIGINS      origins whose pages may ask, separated by commas
  ADVISOR_RATE_PER_S        requests of one client in a second (default: 50)
  ADVISOR_MAX_BODY_BYTES, ADVISOR_MAX_REQUESTS, ADVISOR_MAX_COMPUTATIONS,
  ADVISOR_ANSWER_TIMEOUT_S, ADVISOR_LOG_LEVEL ...: see webapp/api/settings.py
"""


@click.command("serve", help=TEXT, context_settings={"max_content_width": 100})
@click.option("--host", metavar="H", help="Address to listen on. Default: 127.0.0.1, this computer only.")
@click.option("--port", type=click.IntRange(1, 65_535), default=8000, show_default=True, metavar="N", help="TCP port.")
@click.option("--workers", type=click.IntRange(1, 256), metavar="N", help="Processes that answer. Default: 1.")
def command(host: str | None, port: int, workers: int | None) -> int:
    """Serve the JSON API; the help that users see is above."""
    require("the API", "api")
    from webapp.api.server import serve
    from webapp.api.settings import load_settings

    given = {"host": host, "workers": workers}
    settings = load_settings(**{name: value for name, value in given.items() if value is not None})
    url = f"http://{f'[{settings.host}]' if ':' in settings.host else settings.host}:{port}"
    said = f"advisor: answering on {url}; its calls are described at {url}/openapi.json"
    return serve(settings, port, lambda: click.echo(said, err=True))


ADDRESS = "127.0.0.1"
UPLOAD_MB = 1
"""A calibration profile has some ten kilobytes."""
SETTINGS = {
    "server.headless": "true", "server.enableXsrfProtection": "true",
    "server.maxUploadSize": str(UPLOAD_MB), "server.fileWatcherType": "none", "server.showEmailPrompt": "false",
    "browser.gatherUsageStats": "false", "client.showErrorDetails": "none", "client.toolbarMode": "minimal",
}


@click.command("app")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8501, show_default=True, metavar="N", help="Port to listen on."
)
@click.option(
    "--host", default=ADDRESS, show_default=True, metavar="H",
    help="Address to listen on; 0.0.0.0 lets a phone in the same house in.",
)
def pages(port: int, host: str) -> None:
    """Serve the pages to a browser: what to buy, what your computer does, models, comparisons, and why to trust it.

    Only this machine can reach them unless --host says otherwise. No usage statistics are sent, and nothing is fetched
    from elsewhere. Ctrl-C ends it.
    """
    require("the command app", "web")
    _free(port, host)
    shown, names = reached_at(host, port)
    click.echo(f"reading the tables; the pages will be at {shown}", err=True)
    from streamlit.web.cli import main_run

    from webapp.pages import served

    served.stay_home()
    served.warm()
    settings = [*SETTINGS.items(), ("server.address", host), *(("server.corsAllowedOrigins", name) for name in names)]
    options = [word for name, value in settings for word in (f"--{name}", value)]
    main_run.main([str(served.__file__), "--server.port", str(port), *options], standalone_mode=False)


def reached_at(host: str, port: int) -> tuple[str, tuple[str, ...]]:
    """Where the pages are and who can reach them, in words, and the addresses that a browser may name.

    >>> reached_at("127.0.0.1", 8501)
    ('http://127.0.0.1:8501, for this computer only', ())
    """
    import socket

    if host in ("127.0.0.1", "::1", "localhost"):
        return f"http://{f'[{host}]' if ':' in host else host}:{port}, for this computer only", ()
    everywhere = host in ("0.0.0.0", "::")
    names = (socket.gethostname(), f"{socket.gethostname()}.local") if everywhere else (host,)
    whose = "anyone who can reach this computer over the network can open them and sees what it is made of"
    return f"http://{names[0]}:{port}; mind: {whose}", tuple(f"http://{name}:{port}" for name in names)


def _free(port: int, host: str) -> None:
    """Refuse a port that something else listens on, before anything is loaded."""
    import socket

    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_EXCLUSIVEADDRUSE", socket.SO_REUSEADDR), 1)
        try:
            probe.bind((host, port))
        except socket.gaierror:
            raise InputError(f"--host {host} is no address of this computer: give 127.0.0.1 or 0.0.0.0") from None
        except OSError as error:
            if error.errno == EADDRNOTAVAIL:
                raise InputError(f"--host {host} is no address of this computer: give 127.0.0.1 or 0.0.0.0") from None
            raise InputError(f"--port {port} cannot be used ({(error.strerror or '').lower()}): give another") from None
