"""`advisor mcp`: the answers as tools for language-model programs, on standard input and output."""

from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from advisor.extras import require

if TYPE_CHECKING:
    from collections.abc import Callable

    from mcp.server.mcpserver import MCPServer

TEXT = """
Serve the answers as tools to a language-model program by the Model Context Protocol, on standard input and output:
recommend, upgrade, predict, models, quants, prices, compare_with_api and names, each with typed results.

The program starts it; in its configuration:

\b
  {"mcpServers": {"advisor": {"command": "advisor", "args": ["mcp"]}}}

Nothing is sent over the network unless a question names a model file on a server.
"""


@click.command("mcp", help=TEXT)
def command() -> None:
    """Serve until standard input closes; the help that users see is above."""
    require("mcp", "mcp")
    server().run("stdio")


def server() -> "MCPServer[Any]":
    """The server with all tools."""
    from importlib.metadata import version

    from mcp.server.mcpserver import MCPServer
    from mcp_types import ToolAnnotations

    from advisor.tools import INSTRUCTIONS, TOOLS

    made: MCPServer[Any] = MCPServer(
        "advisor", title="Advisor", instructions=INSTRUCTIONS, version=version("llm-hardware-advisor"),
        log_level="WARNING",
    )
    for tool in TOOLS:
        hints = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=tool.asks_network)
        made.add_tool(_refusing(tool.call), annotations=hints)
    return made


def _refusing(call: "Callable[..., Any]") -> "Callable[..., Any]":
    """The same, with a refusal of the input told to the model as the sentence that it is."""
    from mcp.server.mcpserver.exceptions import ToolError

    from advisor.errors import InputError
    from catalog.names.index import UnknownName

    @wraps(call)
    def told(*arguments: Any, **named: Any) -> Any:
        try:
            return call(*arguments, **named)
        except (InputError, UnknownName) as error:
            raise ToolError(" ".join(str(error).split())) from None

    return told
