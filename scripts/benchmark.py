"""Measure Isoline beside what this machine can do, and beside other programs at the same work.

    python scripts/benchmark.py                     # all parts but large_data and suite; half an hour
    python scripts/benchmark.py --quick             # fewer turns
    python scripts/benchmark.py --part click cloud  # some of them
    python scripts/benchmark.py --against v0.1      # turns of another commit (or folder) and this one: start and click
    python scripts/benchmark.py --install           # first make the environments of peers that are no dependency
    python scripts/benchmark.py --json FILE         # the figures for a program
    python scripts/benchmark.py --write-docs        # docs/performance.md; --read FILE FILE from such JSON

Every part runs in a process of its own, and measures in it what it is compared with, in turns, because machines differ
and drift. A bar is one of a ratio. A figure that misses its bar is marked; the exit status does not depend on it.
"""

from __future__ import annotations

import argparse
import datetime
import importlib
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure, comparisons, figure_of
from benchmarks.processes import ROOT, checked_out, environment
from benchmarks.report import HEADINGS, LARGE, PAGE, Load, LoadMeter, comparison_table, load_of, machine, page, table

PARTS = tuple(HEADINGS)
AGAINST = ("start", "click")
INSTALL = "ISOLINE_BENCHMARK_INSTALL"


def measured(part: str, tree: Path, quick: bool) -> list[Figure]:
    """The figures of ``part`` in the checkout ``tree``, by a process of its own; one says why there are none."""
    with tempfile.TemporaryDirectory(prefix="isoline-benchmark-") as folder:
        result = Path(folder) / "figures.json"
        command = [sys.executable, str(Path(__file__).resolve()), "--child", part, str(result)]
        subprocess.run([*command, *(["--quick"] if quick else [])], cwd=tree, env=environment(tree), check=False)
        if not result.is_file():
            return [Figure(part, "", note="its process ended without a result")]
        return [figure_of(content) for content in json.loads(result.read_text(encoding="utf-8"))]


def measure_here(part: str, result: Path, quick: bool) -> int:
    """Measure ``part`` of the packages that this process imports, and write the figures."""
    import core

    tree = Path.cwd()
    if tree not in Path(core.__file__).resolve().parents:
        raise RuntimeError(f"core is imported from {core.__file__}, not from {tree}; run scripts/benchmark.py itself.")
    try:
        found: Sequence[Figure] = importlib.import_module(f"benchmarks.{part}").figures(quick, tree)
    except Exception as error:  # whatever it is: the other parts are measured, and this one says why it was not
        traceback.print_exc()
        found = [Figure(part, "", note=(str(error).strip() or type(error).__name__).splitlines()[-1])]
    result.write_text(json.dumps([figure.plain() for figure in found]), encoding="utf-8")
    return 0


def compare(revision: str, parts: Sequence[str], rounds: int, quick: bool) -> dict[str, Any]:
    """Measure ``revision`` and this checkout in turns, print how they compare, and return it for JSON."""
    content: dict[str, Any] = {}
    with checked_out(revision) as other:
        for part in parts:
            taken = []
            for number in range(rounds):
                pair: dict[Path, list[Figure]] = {}
                for tree in (other, ROOT) if number % 2 == 0 else (ROOT, other):
                    pair[tree] = measured(part, tree, quick)
                taken.append((pair[other], pair[ROOT]))
            compared = comparisons(taken)
            print(f"\n{part}: A {revision}, B this checkout\n{comparison_table(compared)}", flush=True)
            content[part] = [figure.plain() for figure in compared]
            for figure in [*taken[-1][0], *taken[-1][1]]:
                if not figure.values and figure.note:
                    print(f"{figure.name} was not measured: {figure.note}")
    return content


def main() -> int:
    """Measure, print, and write the files that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=PARTS, metavar="NAME", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="fewer turns, a small training")
    parser.add_argument("--against", metavar="REV", help="a commit, or the folder of another checkout, to compare with")
    parser.add_argument("--rounds", type=int, default=5, help="with --against: how often each is measured (default: 5)")
    parser.add_argument(
        "--install", action="store_true", help="install peers that are missing, each in its environment"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the figures to this file")
    parser.add_argument("--write-docs", action="store_true", help=f"also write {PAGE}")
    parser.add_argument(
        "--read", type=Path, nargs="+", metavar="FILE",
        help=f"measure nothing: write {PAGE} from what --json wrote; of a part, what the last file has",
    )  # fmt: skip
    parser.add_argument("--gpu", type=Path, metavar="FILE", help="with --write-docs: JSON of scripts/gpu_check.py")
    parser.add_argument("--child", nargs=2, metavar=("PART", "FILE"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return measure_here(options.child[0], Path(options.child[1]), options.quick)
    if options.against and options.write_docs:
        parser.error(f"--write-docs: {PAGE} is about one version; leave out --against.")
    gpu = None if options.gpu is None else json.loads(options.gpu.read_text(encoding="utf-8"))
    if gpu is not None and gpu["dry_run"]:
        parser.error(f"--gpu: {options.gpu} is of a dry run on a CPU; give what scripts/gpu_check.py wrote on a GPU.")
    if options.read:
        runs = [json.loads(file.read_text(encoding="utf-8")) for file in options.read]
        if any(run["machine"] != runs[0]["machine"] or "against" in run for run in runs):
            parser.error("--read: the files must be of one machine and its libraries, and not of --against.")
        newest = {name: figures for run in runs for name, figures in run["parts"].items()}
        parts = {name: [figure_of(figure) for figure in newest[name]] for name in PARTS if name in newest}
        loads = [load_of(run["load"]) for run in runs]
        dates = " and ".join(dict.fromkeys(run["date"] for run in runs))
        quick = any(run["quick"] for run in runs)
        (ROOT / PAGE).write_text(page(parts, runs[0]["machine"], dates, loads, quick, gpu), encoding="utf-8")
        return 0
    if options.install:
        os.environ[INSTALL] = "1"
    meter, about = LoadMeter(), machine()
    date = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%d}"
    print(" · ".join(f"{key} {value}" for key, value in about.items()))
    content: dict[str, Any] = {"machine": about, "date": date, "quick": options.quick, "parts": {}}
    parts: dict[str, list[Figure]] = {}

    def write() -> Load:
        """After each part, so that a run that is ended has what it measured."""
        load = meter.read()
        content["load"] = {**asdict(load), "busy": load.busy}
        if options.json is not None:
            options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
        if options.write_docs:
            (ROOT / PAGE).write_text(page(parts, about, date, [load], options.quick, gpu), encoding="utf-8")
        return load

    if options.against:
        try:
            content["against"] = options.against
            content["parts"] = compare(options.against, options.part or AGAINST, options.rounds, options.quick)
        except ValueError as error:
            parser.error(f"--against: {error}")
    else:
        for part in options.part or [name for name in PARTS if name not in LARGE]:
            parts[part] = measured(part, ROOT, options.quick)
            content["parts"][part] = [figure.plain() for figure in parts[part]]
            print(f"\n{part}\n{table(parts[part])}", flush=True)
            write()
    print(f"\n{write().text}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
