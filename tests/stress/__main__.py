"""The stress program: ``python tests/stress --minutes 10``; its exit status is 1 where something was violated."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[2])]

from stress.report import lines  # noqa: E402 - the path is set first
from stress.run import Run  # noqa: E402
from stress.shapes import SHAPES  # noqa: E402


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("stress", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long each shape runs; default 2")
    parser.add_argument("--seed", type=int, default=1, help="of the load and the servers; default 1")
    parser.add_argument("--threads", type=int, help="in place of the shape's own number")
    parser.add_argument("--shape", choices=[*SHAPES, "all"], default="all", help="; ".join(map(_about, SHAPES)))
    return parser


def _about(name: str) -> str:
    return f"{name}: {SHAPES[name].about}"


def main(arguments: list[str]) -> int:
    given = parser().parse_args(arguments)
    good = True
    for name in SHAPES if given.shape == "all" else [given.shape]:
        print(f"== {name}", flush=True)
        run = Run(SHAPES[name], seed=given.seed, seconds=given.minutes * 60, threads=given.threads)
        good = run.go() and good
        print("\n".join(lines(run)), flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
