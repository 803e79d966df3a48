"""Compare two checkouts of Isoline: how soon the window opens, and how fast a click becomes an image.

    python scripts/compare_versions.py ../former .              # former version first: ratios below 1 are faster
    python scripts/compare_versions.py ../former . --suite      # and the time of their test suites, once each
    python scripts/compare_versions.py ../former . --json FILE  # the measurements for a program

A machine drifts by more than two versions differ, so they take turns (A B, B A, A B, …) after one round that is not
counted. Each turn is the beginning of ``isoline tour`` in a process of its own; both run in this Python environment.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np

FIGURES = {
    "window_s": "window visible, s",
    "first_image_s": "first decoded image, s",
    "click_ms_p50_idle": "click to pixels, median, ms",
    "click_ms_p95_idle": "click to pixels, p95, ms",
}
SUITE = "test suite, s"

Measured = dict[str, tuple[list[float], list[float]]]
"""For each figure what the first version and the second took, round by round."""


def run(tree: Path, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a module of the checkout ``tree``; its own packages are found before the installed ones."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "PYTHONSAFEPATH": ""}
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)


def measure_window(tree: Path, clicks: int) -> dict[str, float]:
    """The tour's figures up to its clicks. Raises ``RuntimeError`` with its output if it fails."""
    with tempfile.TemporaryDirectory() as folder:
        tour = run(tree, "explorer", "tour", folder, "--until", "click points", "--clicks", str(clicks))
        if tour.returncode != 0:
            raise RuntimeError(f"the tour of {tree} failed:\n{tour.stdout}{tour.stderr}")
        figures = json.loads(Path(folder, "tour.json").read_text(encoding="utf-8"))
    return {name: float(figures[name]) for name in FIGURES}


def measure_suite(tree: Path) -> float:
    """Seconds of the whole test suite, as ``scripts/test.py`` runs it. Raises ``RuntimeError`` if it fails."""
    begun = perf_counter()
    suite = run(
        tree, "pytest", "-q", "-p", "no:cacheprovider", "-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"
    )
    if suite.returncode != 0:
        raise RuntimeError(f"the suite of {tree} failed:\n{suite.stdout[-4000:]}{suite.stderr}")
    return perf_counter() - begun


def compare(trees: tuple[Path, Path], rounds: int, clicks: int, suite: bool) -> Measured:
    """Measure both versions in turns."""
    measured: Measured = {text: ([], []) for text in FIGURES.values()}
    for number in range(rounds + 1):
        for which in (0, 1) if number % 2 else (1, 0):
            figures = measure_window(trees[which], clicks)
            print(f"round {number} {'AB'[which]}: {figures}", file=sys.stderr)
            if number:  # the first one filled caches and compiled modules
                for name, text in FIGURES.items():
                    measured[text][which].append(figures[name])
    if suite:
        measured[SUITE] = ([measure_suite(trees[0])], [measure_suite(trees[1])])
    return measured


def main() -> int:
    """Measure, print, and write the JSON file if one was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, help="a checkout, called A; usually the former version")
    parser.add_argument("second", type=Path, help="another checkout, called B")
    parser.add_argument("--rounds", type=int, default=8, help="how often each of them is started (default: 8)")
    parser.add_argument("--clicks", type=int, default=60, help="clicks timed after each start (default: 60)")
    parser.add_argument("--suite", action="store_true", help="run both test suites, too; takes many minutes")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the measurements to this file")
    options = parser.parse_args()
    trees = (options.first.resolve(), options.second.resolve())
    for tree in trees:
        if not (tree / "explorer" / "__main__.py").is_file():  # else the installed version would be measured instead
            parser.error(f"{tree} is no checkout of Isoline; give the folder that holds core and explorer.")
    measured = compare(trees, options.rounds, options.clicks, options.suite)
    content = {}
    print(f"A {trees[0]}\nB {trees[1]}\n{'':<30}{'A':>9}{'B':>9}{'B/A':>8}   B/A round by round, p5 to p95")
    for text, (first, second) in measured.items():
        a, b = float(np.median(first)), float(np.median(second))
        low, high = np.percentile(np.divide(second, first), (5, 95))
        print(f"{text:<30}{a:>9.2f}{b:>9.2f}{b / a:>8.3f}   {low:.3f} to {high:.3f}")
        content[text] = {"a": first, "b": second, "ratio": b / a}
    if options.json is not None:
        options.json.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
