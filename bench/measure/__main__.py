"""Measures every figure, prints one table, and fails where one is not met."""

import datetime
import os
import pathlib
import platform
import sys
import tempfile

import figures

TITLES = ("figure", "measured", "demanded", "")


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    with tempfile.TemporaryDirectory(prefix="keyway-bench-") as scratch:
        measured = list(figures.measure(binary, pathlib.Path(scratch)))
    rows = [(f.name, f.measured, f.demanded, "ok" if f.met else "MISSED") for f in measured]
    print(f"{datetime.date.today()}, {os.cpu_count()} cores, {_processor()}, {platform.system()}\n")
    for row in _aligned([TITLES, *rows]):
        print(row)
    sys.exit(0 if all(f.met for f in measured) else 1)


def _aligned(rows):
    """The rows as a Markdown table."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(TITLES))]
    rule = tuple("-" * width for width in widths)
    for row in [rows[0], rule, *rows[1:]]:
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"


def _processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


main()
