"""The benchmark: ratios of turns, their spread and verdicts; what it reports; each way it measures, in tiny form."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from core.runs.directory import RunDirectory

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import benchmark
    import gpu_check
    from benchmarks import click, cloud, page, processes, report, timing
    from benchmarks.figures import Figure, comparisons, figure_of, growth, number, quantile, spread
    from benchmarks.paths import descent
    from benchmarks.products import BLOCK, Products, SideBySide
    from benchmarks.report import Load
finally:
    sys.path.remove(str(SCRIPTS))


# figures


def test_a_ratio_is_that_of_each_turn_and_has_quartiles():
    figure = Figure("decode", "ms", (2.0, 3.0, 8.0), "a product", (1.0, 2.0, 2.0), bar=2.5)
    assert figure.ratios == (2.0, 1.5, 4.0)
    assert spread(figure.ratios) == (2.0, 1.75, 3.0)
    assert figure.columns == (
        "decode",
        "3.00 (2.50–5.50) ms",
        "a product, 2.00 ms",
        "2.00 (1.75–3.00)",
        "≤ 2.5",
        "undecided",
    )


def test_turns_that_do_not_correspond_are_compared_with_the_median():
    assert Figure("click", "ms", (2.0, 4.0), "its limit", (1.0, 2.0, 9.0)).ratios == (1.0, 2.0)


@pytest.mark.parametrize(
    ("values", "at_least", "verdict"),
    [
        ((1.0, 1.0, 1.0), False, "ok"),
        ((3.0, 3.0, 3.0), False, "MISSED"),
        ((1.0, 1.0, 1.0), True, "MISSED"),
        ((3.0, 3.0, 3.0), True, "ok"),
        ((1.0, 2.0, 3.0), False, "undecided"),
    ],
)
def test_a_verdict_is_undecided_while_the_bar_lies_within_the_quartiles(values, at_least, verdict):
    beside = Figure("rate", "/s", values, "limit", (1.0,) * 3, bar=2.0, at_least=at_least)
    alone = Figure("share", "", values, bar=2.0, at_least=at_least)
    assert (beside.verdict, alone.verdict) == (verdict, verdict)


def test_what_was_not_measured_says_why():
    assert Figure("rate", "/s", (1.0,), "vispy", note="not installed").columns[-1] == "not measured: not installed"
    assert Figure("rate", "/s").verdict == "not measured"
    assert Figure("rate", "/s", (1.0,)).verdict == ""


def test_a_figure_survives_json():
    figure = Figure("rate", "/s", (1.0, 2.0), "limit", (3.0, 4.0), bar=0.5, at_least=True, note="quick")
    content = json.loads(json.dumps(figure.plain()))
    assert figure_of(content) == figure
    assert content["verdict"] == figure.verdict
    assert content["ratio"]["median"] == pytest.approx((1 / 3 + 1 / 2) / 2)


@settings(max_examples=30)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(0.0, 1.0))
def test_a_quantile_is_numpys(values, share):
    assert quantile(values, share) == pytest.approx(np.quantile(values, share), abs=1e-6)


@settings(max_examples=30)
@given(st.floats(-1.0, 3.0), st.floats(0.1, 100.0))
def test_growth_is_the_exponent_of_a_power(exponent, factor):
    sizes = (10, 100, 1000)
    assert growth(sizes, [factor * size**exponent for size in sizes]) == pytest.approx(exponent, abs=1e-9)


def test_numbers_have_three_digits():
    assert [number(value) for value in (0, 0.01234, 1.0, 98.76, 123.4, 12345.6)] == [
        "0",
        "0.0123",
        "1.00",
        "98.8",
        "123",
        "12,346",
    ]


def test_two_versions_are_compared_turn_by_turn():
    first, second = Figure("click", "ms", (4.0, 6.0)), Figure("click", "ms", (2.0, 3.0), "its limit", (1.0, 1.0))
    (compared,) = comparisons(
        [([first], [second]), ([first], [Figure("click", "ms", (5.0,)), Figure("new", "ms", (1.0,))])]
    )
    assert (compared.name, compared.first, compared.second, compared.ratios) == (
        "click",
        (5.0, 5.0),
        (2.5, 5.0),
        (0.5, 1.0),
    )
    assert "click, ms  5.00  3.75  0.750" in report.comparison_table([compared])


# taking turns


def test_actions_take_turns_in_changing_order():
    order: list[str] = []
    times = timing.turns({name: lambda name=name: order.append(name) for name in "ab"}, 2, shortest_s=0.0)
    assert "".join(order) == "aabb" + "ab" + "ba"  # the first calls of each are not counted
    assert {name: len(taken) for name, taken in times.items()} == {"a": 2, "b": 2}
    assert timing.rates((500.0, 250.0), 2.0) == (4.0, 8.0)


def test_the_products_of_a_network_are_those_of_its_layers():
    network = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.ConvTranspose2d(8, 4, 4, stride=2, padding=1),
        nn.Flatten(),
        nn.Linear(1024, 5),
    )
    products = Products(network, torch.zeros(2, 3, 8, 8), dtype=torch.bfloat16, backward=False)
    convolution, transposed, linear = 64 * 27 * 8, 64 * 8 * (4 * 16), 1024 * 5
    assert products.flops == 2 * 2 * (convolution + transposed + linear)
    both = Products(network, torch.zeros(2, 3, 8, 8), dtype=torch.float32, backward=True)
    assert both.flops == 3 * products.flops
    both.run()
    with SideBySide([both, products]) as all_of_them:
        all_of_them.run()
    large = Products(nn.Linear(2, 3), torch.zeros(BLOCK + 2, 2), dtype=torch.float32, backward=False)
    assert [(blocks, *work[0][0].shape) for blocks, work in large._work] == [(2, BLOCK // 2 + 1, 2)]
    with pytest.raises(ValueError, match="2 groups; one is wanted"):
        Products(nn.Conv2d(2, 2, 1, groups=2), torch.zeros(1, 2, 4, 4), dtype=torch.float32, backward=False)


class Descent:
    """Steps down the gradient: importing what PyTorch's own optimizers need takes seconds."""

    def __init__(self, parameters: list[torch.Tensor], rate: float) -> None:
        self._parameters = parameters

    def zero_grad(self) -> None:
        for parameter in self._parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self) -> None:
        for parameter in self._parameters:
            parameter -= 10.0 * parameter.grad


def test_the_descent_of_a_curves_energy_ends_at_a_shorter_curve_between_the_same_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.optim, "Adam", Descent)

    class Model:
        def decode_logits(self, z: torch.Tensor) -> torch.Tensor:  # brightness follows the place, so a line is shortest
            return (z[:, :2] * 0.1)[:, None, :, None].repeat(1, 1, 8, 16).reshape(-1, 1, 16, 16)

    line = np.stack([np.linspace(-1, 1, 9), 0.5 * np.cos(np.linspace(-1.5, 1.5, 9))], axis=1)
    *_, last = itertools.islice(descent(Model(), line), 40)
    np.testing.assert_allclose(last[[0, -1]], line[[0, -1]], atol=1e-6)
    assert abs(last[4, 1] - line[[0, -1], 1].mean()) < abs(line[4, 1] - line[[0, -1], 1].mean())


def test_a_click_stands_beside_what_it_cannot_do_without():
    spans = dict.fromkeys(("event", "controller", "channel", "back", "paint"), [1.0] * 3)
    turn = {**spans, "total": [9.0, 10.0, 11.0], "decode": [4.0] * 3, "round_trip_ms": [0.5] * 3, "blit_ms": [0.5] * 3}
    figures = click.clicked("idle", [turn, turn], [turn, turn])
    median, p95 = figures[:2]
    assert (median.name, median.ratios, median.bar, median.verdict) == (
        "click to pixels, median of a turn, idle", (2.0, 2.0), 1.5, "MISSED",
    )  # fmt: skip
    assert p95.ratios[0] == pytest.approx(10.9 / 5.0)
    assert "· of that, paint, idle" in {figure.name for figure in figures}
    blind = {**turn, "channel": [float("nan")] * 3}  # an engine that does not tell when it began
    assert "· of that, channel, idle" not in {figure.name for figure in click.clicked("idle", [blind], [blind])}
    assert click.clicked("training", [], [turn], "no cloud")[0].columns[-1] == "not measured: no cloud"


def test_a_slow_peer_is_asked_for_few_frames_or_none():
    assert cloud.fitting(12, {}, 100) == 12
    assert cloud.fitting(12, {10: [100.0, 300.0]}, 100) == 2  # 2 s a frame
    assert cloud.fitting(12, {10: [500.0], 100: [0.1]}, 1000) == 12
    assert cloud.fitting(12, {10: [500.0]}, 100) == 0


def test_clouds_are_compared_by_size_and_a_peer_that_is_missing_is_named():
    turn = {"frame_ms": 10.0, "blit_ms": 1.0, "rest_ms": 100.0, "pick_ms": 2.0, "pass_ms": 1.0, "bytes": 40.0}
    own = {size: [{**turn, "rest_ms": size / 1000.0}] * 2 for size in cloud.SIZES}
    figures = cloud.measured(own, {"pyqtgraph's scatter": {cloud.SIZES[0]: [20.0, 20.0]}}, {"vispy's markers": "none"})
    beside = {(figure.name, figure.beside): figure for figure in figures}
    first, last = (f"frames while {size:,} points turn" for size in (cloud.SIZES[0], cloud.SIZES[-1]))
    assert beside[first, "pyqtgraph's scatter"].ratios == (2.0, 2.0)
    assert "would take more than 4 s" in beside[last, "pyqtgraph's scatter"].columns[-1]
    assert beside[first, "vispy's markers"].columns[-1] == "not measured: none"
    assert beside[last, "smooth to the eye"].verdict == "ok"
    (exponent,) = (figure for figure in figures if "to the power of" in figure.name)
    assert exponent.values == pytest.approx((1.0, 1.0))


def test_the_page_of_many_points_is_made_of_a_sound_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page, "POINTS", 5000)  # more than the bundled model's run has
    many = page._many_points(ROOT / "resources" / "model", tmp_path / "many")
    probe, means = RunDirectory.open(many).read_cloud()
    assert (len(probe.indices), means.shape) == (5000, (5000, 3))


# what is reported


def test_a_busy_machine_is_told_of(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert not Load(0.1, 1.9, 1.8).busy
    assert not Load(0.1, 2.2, 1.1).busy
    assert Load(0.1, 3.0, 1.8).busy
    assert Load(2.0, 1.0, 1.0).busy
    assert "Other programs ran" in Load(0.1, 9.0, 1.0).text
    assert Load(None, None, 1.0).busy is None
    assert report.LoadMeter().read().own >= 0.0


def test_the_page_has_every_figure_and_says_that_no_gpu_was_measured():
    parts = {
        "start": [Figure("window visible", "s", (2.0,), "an empty window", (1.0,), bar=1.3)],
        "cloud": [Figure("frames", "/s", (2.0,), "vispy", note="not installed")],
    }
    text = report.page(parts, {"processor": "P", "cores": 2}, "2026-01-02", [Load(9.0, 9.0, 1.0)], quick=True)
    assert "| window visible | 2.00 s | an empty window, 1.00 s | 2.00 | ≤ 1.3 | **missed** |" in text
    assert "not measured: not installed" in text
    assert "**Not measured on a GPU.**" in text
    assert "Other programs ran" in text
    assert "on 2026-01-02" in text
    assert "Of 1 bars 1 is missed" in text
    assert "`python scripts/benchmark.py --quick --write-docs --part start cloud`" in text
    assert "Not part of this run: limits, click," in text
    rows = [asdict(gpu_check.Row("step", 1.0, "ms", "bar 1")), asdict(gpu_check.Row("EGL", None, note="no PySide6"))]
    gpu = {"card": "H100", "date": "2026-01-03", "torch": "2.13", "rows": rows}
    text = report.page(parts, {}, "", [Load(None, None, 0.0)] * 2, quick=False, gpu=gpu)
    assert "Not measured on a GPU" not in text
    assert "Written from 2 runs" in text
    table = text.split("## On a GPU: H100")[1]
    assert "| step | 1.00 ms | bar 1 |\n| EGL |  | no PySide6 |" in table


# processes


def test_a_folder_that_is_no_checkout_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="is no checkout of Isoline"), processes.checked_out(str(tmp_path)):
        pass
    with pytest.raises(ValueError, match="neither a commit of"), processes.checked_out("no-such-revision"):
        pass


def test_a_commit_is_checked_out_beside_and_taken_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def git(*arguments: str) -> None:
        identity = ("-c", "user.name=T", "-c", "user.email=t@example.org")
        subprocess.run(["git", *identity, *arguments], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "file").write_text("first")
    git("add", "file")
    git("commit", "-qm", "first")
    (tmp_path / "file").write_text("changed")
    monkeypatch.setattr(processes, "ROOT", tmp_path)
    with processes.checked_out("HEAD") as tree:
        assert (tree / "file").read_text() == "first"
    assert not tree.exists()
    assert (tmp_path / "file").read_text() == "changed"


def test_a_peer_answers_line_by_line_and_says_why_it_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    program = "import sys\nfor line in sys.stdin:\n    print(2 * int(line), flush=True)\n"
    (tmp_path / "double.py").write_text(program)
    monkeypatch.setattr(processes, "PROGRAMS", tmp_path)
    with processes.Peer("double", ROOT) as peer:
        assert [peer.ask("2"), peer.ask("21")] == [4, 42]
        with pytest.raises(processes.ProgramFailed, match=r"(?s)double ended: .*invalid literal"):
            peer.ask("nothing")


def test_a_program_that_writes_no_result_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "broken.py").write_text("raise SystemExit('no display')")
    monkeypatch.setattr(processes, "PROGRAMS", tmp_path)
    with pytest.raises(processes.ProgramFailed, match="broken ended with status 1: no display"):
        processes.measured_by("broken", ROOT)


def test_a_part_is_measured_in_a_process_of_the_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A part that fails is a figure that says why; the rest of the run goes on."""
    monkeypatch.chdir(ROOT)

    def fails(quick: bool, tree: Path) -> list[Figure]:
        assert tree == ROOT
        raise RuntimeError("there is no display\nat all")

    module = type(sys)("benchmarks.failing")
    module.__dict__["figures"] = fails
    monkeypatch.setitem(sys.modules, "benchmarks.failing", module)
    assert benchmark.measure_here("failing", tmp_path / "out.json", quick=True) == 0
    (content,) = json.loads((tmp_path / "out.json").read_text())
    assert figure_of(content).columns[-1] == "not measured: at all"


def test_the_page_is_written_from_earlier_runs_the_last_of_each_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(benchmark, "ROOT", tmp_path)
    (tmp_path / "docs").mkdir()
    files = []
    for number, load in enumerate((0.1, 9.0)):
        figures = {"cloud": [Figure("frames", "/s", (1.0 + number,)).plain()]}
        if not number:
            figures["start"] = [Figure("window", "s", (3.0,)).plain()]
        run = {"machine": {"cores": 2}, "date": "2026-01-02", "quick": True, "parts": figures}
        files.append(tmp_path / f"{number}.json")
        files[-1].write_text(json.dumps({**run, "load": {"start": 0.0, "end": load, "own": 1.0, "busy": number == 1}}))
    monkeypatch.setattr(sys, "argv", ["benchmark.py", "--read", *map(str, files)])
    assert benchmark.main() == 0
    text = (tmp_path / "docs" / "performance.md").read_text()
    assert "| frames | 2.00 /s |" in text
    assert "| window | 3.00 s |" in text
    assert text.index("## Until the window") < text.index("## The cloud")
    assert text.count("Load average") == 2
    files[0].write_text(files[0].read_text().replace('"cores": 2', '"cores": 4'))
    with pytest.raises(SystemExit):
        benchmark.main()


def test_two_versions_take_turns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    for package in ("explorer", "core"):
        (tmp_path / package).mkdir()
    (tmp_path / "explorer" / "__main__.py").touch()
    order = []

    def measured(part: str, tree: Path, quick: bool) -> list[Figure]:
        order.append((part, tree == ROOT, quick))
        return [Figure("window visible", "s", (1.5 if tree == ROOT else 2.0,))]

    monkeypatch.setattr(benchmark, "measured", measured)
    file = tmp_path / "out.json"
    arguments = ["--against", str(tmp_path), "--part", "start", "--rounds", "2", "--quick", "--json", str(file)]
    monkeypatch.setattr(sys, "argv", ["benchmark.py", *arguments])
    assert benchmark.main() == 0
    assert order == [("start", own, True) for own in (False, True, True, False)]
    (figure,) = json.loads(file.read_text())["parts"]["start"]
    assert figure["ratio"]["median"] == 0.75
    assert "window visible, s  2.00  1.50  0.750" in capsys.readouterr().out
