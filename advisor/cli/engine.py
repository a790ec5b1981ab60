"""`advisor engine`: what concerns the engine itself.

To add a command: one module that offers a `click.Command` as `command`, and one line in COMMANDS. The module imports at
its top only click and what is light.
"""

from collections.abc import Mapping
from typing import Final

from advisor.cli.app import Entry, Tree

COMMANDS: Final[Mapping[str, Entry]] = {
    "devices": Entry("advisor.cli.devices", "List the devices that llama.cpp can put a model on."),
    "serve-device": Entry("advisor.cli.serve_device", "Offer a device of this computer to another one."),
    "synth": Entry("advisor.cli.synth", "Write a model file of an architecture with random weights."),
    "bench": Entry("advisor.cli.bench", "Measure how fast a model file runs here."),
    "experts": Entry("advisor.cli.experts", "Show how a model file uses its experts, and keep the hot ones in memory."),
}

command = Tree(
    "engine",
    COMMANDS,
    help="""The engine that runs models here: llama.cpp through llama-cpp-python, and its devices.""",
)
