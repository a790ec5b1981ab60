"""`advisor prices`: what parts cost, by shipped observations and your own."""

from collections.abc import Mapping
from typing import Final

from advisor.cli.app import Entry, Tree

SHOWN: Final = "advisor.cli.prices_shown"
STORED: Final = "advisor.cli.prices_stored"
COMMANDS: Final[Mapping[str, Entry]] = {
    "show": Entry(SHOWN, "Show what a part costs, with its history.", "show"),
    "set": Entry(STORED, "Enter a price of your own.", "set_price"),
    "import": Entry(STORED, "Store prices from a CSV file: a shop list, an export of eBay or Keepa.", "imported"),
    "export": Entry(STORED, "Write your own prices as CSV.", "export"),
    "update": Entry(STORED, "Ask a shop for prices with your own key.", "update"),
    "check": Entry(SHOWN, "Show how far estimates are from what was seen.", "check"),
}
HELP: Final = """What parts cost, by observations: prices that somebody saw or paid.

An estimate is what a buyer without luck pays a seller to trust, before tax, with the interval in which 8 of 10 such
prices fall. Your own prices are kept in the data folder, or in the database that ADVISOR_DATABASE_URL names, and count
in `recommend` too.

\b
For example:
  advisor prices show "RTX 3090" --condition used
  advisor prices set "RTX 3090" 700 --condition used
  advisor prices import shopping-list.csv
"""
command = Tree("prices", COMMANDS, help=HELP, context_settings={"max_content_width": 110})
