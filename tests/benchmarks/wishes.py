"""Every one of the 144 wishes is answered by the laws: `python -m tests.benchmarks.wishes [new|used|any]`."""

import sys
import time
from functools import cache, partial

from advisor.buying.advice import advise_from
from advisor.buying.ownership import owned_parts
from advisor.buying.stock import Stock, stock_of
from advisor.market.market import Choice, shipped_market, today
from advisor.market.money import Exchange
from advisor.physics.knowledge import load
from tests.advisor.buying.wishes import broken, every_wish


@cache
def stock(condition: Choice) -> Stock:
    """The catalog's parts at today's prices."""
    return stock_of(condition, owned_parts(()), shipped_market().estimates(today()))


def main() -> int:
    """Print each wish with its picks and the laws that its answer breaks; 1 where one does."""
    wrong = asked = 0
    for wish in every_wish():
        if len(sys.argv) > 1 and wish.condition not in sys.argv[1:]:
            continue
        start = time.process_time()
        used = partial(stock, "any") if wish.condition == "new" else None
        found = advise_from(stock(wish.condition), owned_parts(()), wish, load(), Exchange(), used)
        failed = list(broken(wish, found))
        asked, wrong = asked + 1, wrong + bool(failed)
        what = f"{wish.task or wish.model} ${wish.budget_usd:,.0f} {wish.condition}"
        print(f"{what:36} {time.process_time() - start:5.1f} s  {'; '.join(failed) or 'ok'}")
        for pick in found.picks:
            build = found.builds[pick.build]
            speed = build.prediction.decode_tok_s
            print(f"    {pick.pick:10} {build.model} {build.quant} | {build.name} | ${build.price_usd:,.0f} | "
                  f"{speed.p50 if speed else 0:.0f} tok/s")
        for way in found.ways_out:
            print(f"    > {way.change}")
    print(f"{wrong} of {asked} wishes break a law")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
