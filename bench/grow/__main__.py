"""Measures both stores, small and large, prints a table for each, and fails where one grows too much."""

import argparse
import datetime
import math
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "measure"))

import calls
import postgresql
import sqlite

SMALL_KEYS, SMALL_GENERATIONS = 10_000, 100_000
STORES = {"sqlite": sqlite.Store, "postgresql": postgresql.Store}
# What a clock and a busy machine may add to a growth that is logarithmic.
GRACE_MS = 0.5


def main():
    flags = _flags()
    print(f"{datetime.date.today()}; {flags.keys:,} keys, roll-ups of {flags.generations:,} generations\n")
    met = True
    for name in [flags.store] if flags.store else STORES:
        small = _measure(flags, name, SMALL_KEYS, SMALL_GENERATIONS, None)
        plans = []
        large = _measure(flags, name, flags.keys, flags.generations, plans)
        met &= _print(STORES[name].NAME, flags.keys, small, large)
        met &= _print_plans(plans)
    sys.exit(0 if met else 1)


def _flags():
    parser = argparse.ArgumentParser(prog="bench/scale")
    parser.add_argument("--binary", type=pathlib.Path, required=True)
    parser.add_argument("--keys", type=int, default=100_000)
    parser.add_argument("--generations", type=int, default=1_000_000)
    parser.add_argument("--store", choices=STORES)
    parser.add_argument("--scratch", type=pathlib.Path)
    return parser.parse_args()


def _measure(flags, name, keys, generations, plans):
    with tempfile.TemporaryDirectory(prefix="keyway-scale-", dir=flags.scratch) as scratch:
        with STORES[name](flags.binary.resolve(), pathlib.Path(scratch)) as store:
            measured = calls.measure(store, keys, generations)
            if plans is not None:
                plans.extend(store.plans())
            return measured


def _print(name, keys, small, large):
    allowed = math.log(keys) / math.log(SMALL_KEYS)
    met = True
    print(f"| {name} | {SMALL_KEYS:,} keys | {keys:,} keys | growth | allowed |  |")
    print("|---|---|---|---|---|---|")
    for call, before in small.items():
        after = large[call]
        ok = after.quartile <= before.quartile * allowed + GRACE_MS
        met &= ok
        grown = after.quartile / before.quartile
        print(f"| {call} | {before} | {after} | {grown:.2f} | {allowed:.2f} | {'ok' if ok else 'GREW'} |")
    print()
    return met


def _print_plans(plans):
    """Each statement with how it finds its rows; one that reads all of a table that grows is a mistake."""
    print("| statement | plan |\n|---|---|")
    for statement, plan, _ in plans:
        print(f"| `{statement}` | {plan} |")
    scans = [statement for statement, _, scans in plans if scans]
    print(f"\n{len(plans)} statements, {len(scans)} of which read a whole table that grows\n")
    return not scans


main()
