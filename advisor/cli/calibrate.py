"""`advisor calibrate`: this machine's own numbers, and the commands for profiles that are stored.

Without a command it measures: what that does stands in `advisor.cli.calibrate_run`, whose `run` takes the options.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import click

from advisor.cli.tree import Entry, Tree
from advisor.errors import InputError

RUN: Final = "advisor.cli.calibrate_run"
COMMANDS: Final[Mapping[str, Entry]] = {
    "show": Entry("advisor.cli.calibrate_show", "Show what a calibration found, in the terminal or as a page."),
    "list": Entry("advisor.cli.calibrate_list", "List the profiles that are stored here."),
    "remove": Entry("advisor.cli.calibrate_remove", "Delete a stored profile."),
    "export": Entry("advisor.cli.calibrate_export", "Write a profile for others, without what tells whose it is."),
    "import": Entry("advisor.cli.calibrate_import", "Store a profile that was exported."),
}
HELP: Final = """Measure this machine, so that predictions become its own.

Probes give bandwidths, runs of the engine give efficiencies; a fit of both becomes a profile, which `advisor predict`,
`plan`, `run`, `recommend` and the app's page "My machine" then use for this machine and for no other.

\b
For example:
  advisor calibrate --quick
  advisor calibrate --model model.gguf --ram "DDR5-6000 2x16"
  advisor calibrate show --html calibration.html
"""


def _alone(**options: Any) -> None:
    if options["quick"] and options["thorough"]:
        raise InputError("--quick and --thorough exclude each other: give one")
    if not find_spec(RUN):
        raise InputError("this build has no measuring: use show, list, remove, export or import")
    import_module(RUN).run(options)


command = Tree(
    "calibrate",
    COMMANDS,
    alone=_alone,
    help=HELP,
    context_settings={"max_content_width": 100},
    params=[
        click.Option(["--quick"], is_flag=True, help="At most 3 minutes: fewer models and repeats."),
        click.Option(["--thorough"], is_flag=True, help="As long as it takes: more of everything."),
        click.Option(
            ["--model"], multiple=True, metavar="FILE", type=click.Path(path_type=Path),
            help="A model file of yours to measure too; repeat it for several.",
        ),
        click.Option(
            ["--rpc"], multiple=True, metavar="HOST:PORT", help="A server of a remote device; repeat it for several."
        ),
        click.Option(["--name"], metavar="NAME", help="What to call the profile. Default: its chips' names."),
        click.Option(["--gpu"], multiple=True, metavar="NAME", help="A graphics card, where the system names none."),
        click.Option(["--vram"], multiple=True, type=float, metavar="GIB", help="Its memory."),
        click.Option(["--pcie"], multiple=True, metavar="GENxLANES", help='Its link, such as "4x8".'),
        click.Option(["--cpu"], metavar="NAME", help="The processor, where the system names it otherwise."),
        click.Option(["--ram"], metavar="TEXT", help='What the system does not tell of its RAM: "DDR5-6000 2x32".'),
        click.Option(["--machine"], metavar="NAME", help="A whole laptop or unified-memory machine instead of parts."),
        click.Option(["--storage"], metavar="NAME|GB/S", help="The disk, where the system names it otherwise."),
        click.Option(["--html"], metavar="FILE", help="Write the report as a page too."),
        click.Option(["--plot"], metavar="FILE", help="Draw its charts: .png, .svg or .html (extra 'plots')."),
        click.Option(["--json", "as_json"], is_flag=True, help="Print what was found as JSON alone."),
    ],
)  # fmt: skip
