"""python -m bench [NAME …] [--size N] [--rounds N] [--json]: without a name, all of them."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from bench.harness import Figures, machine, measure, own_servers, summarise

ROUNDS = 3


def names() -> list[str]:
    return sorted(
        path.stem
        for path in Path(__file__).parent.glob("*.py")
        if path.stem not in {"__init__", "__main__", "harness"} and not path.stem.startswith("_")
    )


def run(name: str, *, size: int | None, rounds: int, as_json: bool) -> None:
    with own_servers() as engines:
        benchmark = import_module(f"bench.{name}")
        done: list[Figures] = []
        for number in range(1, rounds + 1):
            for case in benchmark.cases():  # in turn, so a slow minute hits all of them
                size_of_run = size or benchmark.SIZE
                figures = measure(name, case, size=size_of_run, number=number, engines=engines)
                done.append(figures)
                show(asdict(figures), as_json=as_json)
        show(summarise(name, done), as_json=as_json)


def show(line: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(line), flush=True)
    elif line["case"] == "summary":
        medians = line.pop("medians")
        assert isinstance(medians, dict)
        for case, figures in medians.items():
            print(f"  median {case:<24}" + text_of(figures))
        print("  " + "  ".join(f"{key} {line[key]}" for key in line if "to_" in key), flush=True)
    else:
        print(f"{line['name']} {line['round']} {line['case']:<24}" + text_of(line), flush=True)


def text_of(line: dict[str, object]) -> str:
    return (
        f"{line['items_per_s']:>12} items/s {line['cpu_us_per_item']:>10} CPU us"
        f" {line['wal_bytes_per_item']:>8} WAL B {line['peak_pss_mib']:>8} MiB  ({line['size']})"
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(names()) or "none yet")
    parser.add_argument("--size", type=int, help="items; without it, the size of a full run")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--json", action="store_true", help="JSON lines and nothing else")
    options = parser.parse_args()
    if unknown := sorted(set(options.names) - set(names()) - {"_probe"}):
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(names())}")
    if not options.json:
        print(machine())
    for name in options.names or names():
        run(name, size=options.size, rounds=options.rounds, as_json=options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
