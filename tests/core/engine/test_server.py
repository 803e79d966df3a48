"""The engine: a real process asked over its pipes, and its scheduling looked at step by step."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from engine_driver import TINY, Steps, make_run, seeded, write_weights
from PIL import Image
from preloaded_python import PreloadedPython

from core.config import DataConfig, ModelConfig, RunConfig
from core.data.loading import load_dataset
from core.engine import server
from core.models.losses import excess_bce
from core.models.network_inference import NetworkInference
from core.protocol.figures import FrameLook
from core.protocol.messages import (
    FRAME_HEADER,
    MAX_FRAME,
    Cancel,
    CompareModels,
    ComparePaths,
    ComputeGridlines,
    Decode,
    Decoded,
    DecodePath,
    EncodeFactors,
    EncodeSample,
    EstimateDimension,
    Export,
    Exported,
    ExportProgress,
    Failed,
    FindInformative,
    FindNearest,
    FindThumbnail,
    FrameReader,
    Load,
    Loaded,
    LoadSecond,
    LossesMeasured,
    MeasureAttributes,
    MeasureLosses,
    MeasureTransect,
    PathFrames,
    Ping,
    Pong,
    PreviewFigure,
    Ready,
    ReconstructValidation,
    Request,
    SampleEncoded,
    SaveFigure,
    SetAttributes,
    Shutdown,
    TracePath,
    ValidationReconstructed,
    WeightsChanged,
    frame,
)
from core.protocol.python_channel import ChannelListener
from core.runs.directory import RunDirectory
from core.runs.imported import KEY, PythonFunctions, stored_form
from core.training.checkpoint import save_weights

Z = np.array([0.5, -1.0, 0.25], dtype=np.float32)
REPLY_S = 300.0


class EngineProcess:
    """A running engine and the pipes to it."""

    def __init__(self, python: str = sys.executable) -> None:
        command = [python, "-P", "-m", "core.engine", "--threads", "1"]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
        self._reader = FrameReader("reply")
        self._pending: list[Any] = []
        self._stamp = 0

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)

    def send(self, kind: type, **fields: Any) -> int:
        self._stamp += 1
        self.write(frame(kind(stamp=self._stamp, **fields)))
        return self._stamp

    def next(self) -> Any:
        """The next reply; fails when the engine ends instead."""
        assert self.process.stdout is not None
        while not self._pending:
            data = os.read(self.process.stdout.fileno(), 1 << 20)
            assert data, f"the engine ended: {self.process.stderr.read().decode()}"  # type: ignore[union-attr]
            self._pending += self._reader.feed(data)
        return self._pending.pop(0)

    def wait_for(self, wanted: Callable[[Any], bool]) -> Any:
        while not wanted(reply := self.next()):
            pass
        return reply

    def ask(self, kind: type, **fields: Any) -> Any:
        """Send a request; the first reply to it, or its failure."""
        stamp = self.send(kind, **fields)
        return self.wait_for(lambda reply: reply.stamp == stamp)

    def load(self, run: RunDirectory | Path) -> Any:
        return self.ask(Load, path=str(run.path if isinstance(run, RunDirectory) else run))

    def exit_status(self) -> int:
        return self.process.wait(REPLY_S)

    def close(self) -> str:
        """End the process; returns what it wrote to standard error."""
        pipes = (self.process.stdin, self.process.stdout, self.process.stderr)
        assert all(pipes)
        self.process.stdin.close()  # type: ignore[union-attr]
        self.process.wait(REPLY_S)
        errors = b"" if self.process.stderr.closed else self.process.stderr.read()  # type: ignore[union-attr]
        for pipe in pipes:
            pipe.close()  # type: ignore[union-attr]
        return errors.decode()


@pytest.fixture(scope="module")
def shared() -> Iterator[EngineProcess]:
    """One engine for the tests that leave it as it was: alive."""
    engine = EngineProcess()
    yield engine
    errors = engine.close()
    assert "Traceback" not in errors, errors


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return make_run(tmp_path_factory.mktemp("engine") / "run")


@pytest.fixture(scope="module")
def inference() -> NetworkInference:
    return NetworkInference(seeded(TINY, 0))


@pytest.fixture
def engine(shared: EngineProcess, run: RunDirectory) -> EngineProcess:
    """The shared engine, with the tiny run open."""
    assert isinstance(shared.load(run), Loaded)
    return shared


@pytest.fixture
def fresh(preloaded_python: PreloadedPython) -> Iterator[EngineProcess]:
    """An engine of the test's own, which may do with it what it likes."""
    engine = EngineProcess(preloaded_python.executable)
    yield engine
    engine.process.kill()
    engine.close()


# what it answers


def test_gives_way_to_the_window_and_all_its_threads_allocate_from_the_same_arenas(monkeypatch):
    """What the window paints goes first, though the engine is waited for; each value is computed in a new thread: see
    ``share_arenas``."""
    happened: list[str] = []

    def start(*_: object) -> None:
        happened.append("start")
        raise KeyboardInterrupt

    def lower(nice: int, answers: bool) -> None:
        happened.append(f"nice {nice}, answers {answers}")

    monkeypatch.setattr(server, "lower_priority", lower)
    monkeypatch.setattr(server, "share_arenas", lambda: happened.append("share"))
    monkeypatch.setattr(server, "take_standard_output", lambda: None)
    monkeypatch.setattr(server, "start_reading", start)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        server.main(["--threads", "1"])
    signal.signal(signal.SIGINT, before)
    assert happened == ["nice 5, answers True", "share", "start"]


def test_says_first_what_it_computes_on(fresh):
    ready = fresh.next()
    assert isinstance(ready, Ready)
    assert (ready.device in ("cpu", "cuda", "mps"), ready.torch_version) == (True, torch.__version__)


def test_describes_the_model_it_loaded(shared, run, inference):
    loaded = shared.load(run)
    assert (loaded.latent_dim, loaded.image_size, loaded.channels, loaded.preset) == (3, 32, 1, "compact")
    assert (loaded.step, loaded.samples, loaded.factor_names) == (5, 4, ("a", "b"))
    assert loaded.precision == str(inference.dtype).removeprefix("torch.")


def test_loads_a_weights_file_by_itself(shared, run, inference):
    assert shared.load(run.weights_path).step == 5
    np.testing.assert_array_equal(shared.ask(Decode, z=Z).image, inference.decode(Z[None])[0])


def test_decodes_the_same_pixels_as_inference(engine, inference):
    asked = time.monotonic()
    decoded = engine.ask(Decode, z=Z)
    np.testing.assert_array_equal(decoded.z, Z)
    np.testing.assert_array_equal(decoded.image, inference.decode(Z[None])[0])
    assert decoded.milliseconds > 0
    assert asked <= decoded.began <= time.monotonic() - decoded.milliseconds / 1000


def test_inspects_a_sample_as_the_training_saw_it(engine, inference):
    dataset = load_dataset(TINY.data)
    inspected = engine.ask(EncodeSample, index=7)
    original = dataset.images[7]
    mu = inference.encode(np.array(original)[None])
    image = inference.decode(mu)[0]
    np.testing.assert_array_equal(inspected.original, original)
    np.testing.assert_array_equal(inspected.mu, mu[0])
    np.testing.assert_array_equal(inspected.reconstruction, image)
    np.testing.assert_array_equal(inspected.factors, dataset.factors[7])
    pair = [torch.from_numpy(x.astype(np.float32) / 255.0)[None] for x in (np.array(original), image)]
    assert inspected.excess_bce == pytest.approx(float(excess_bce(*pair)[0]), rel=1e-6)


def test_reconstructs_the_first_validation_samples(engine):
    dataset = load_dataset(TINY.data)
    got = engine.ask(ReconstructValidation, count=2)
    assert isinstance(got, ValidationReconstructed)
    np.testing.assert_array_equal(got.indices, dataset.validation[:2])
    np.testing.assert_array_equal(got.originals, dataset.images[dataset.validation[:2]])
    first = engine.ask(EncodeSample, index=int(got.indices[0]))
    np.testing.assert_array_equal(got.reconstructions[0], first.reconstruction)
    assert got.excess_bce[0] == np.float32(first.excess_bce)
    assert got.step == 5


def test_measures_losses_as_inspect_does(engine):
    indices = np.arange(20, dtype=np.int64)
    stamp = engine.send(MeasureLosses, indices=indices)
    parts = [engine.wait_for(lambda reply: reply.stamp == stamp) for _ in range(2)]
    assert all(isinstance(part, LossesMeasured) and part.total == 20 for part in parts)
    losses = np.concatenate([part.excess_bce for part in parts])
    assert losses[3] == np.float32(engine.ask(EncodeSample, index=3).excess_bce)


def test_a_path_comes_in_order_with_the_pixels_of_single_decodes(engine):
    z = np.random.default_rng(0).normal(size=(10, 3)).astype(np.float32)
    stamp, images = engine.send(DecodePath, z=z), []
    while len(images) < len(z):
        frames = engine.wait_for(lambda reply: reply.stamp == stamp)
        assert (frames.start, frames.total) == (len(images), 10)
        images += list(frames.images)
    for point, image in zip(z, images, strict=True):
        np.testing.assert_array_equal(engine.ask(Decode, z=point).image, image)


def test_a_decode_is_served_in_the_middle_of_a_path(engine):
    path = engine.send(DecodePath, z=np.zeros((4000, 3), np.float32))
    engine.wait_for(lambda reply: reply.stamp == path)
    probe, unanswered, frames = engine.send(Decode, z=Z), True, 0
    while unanswered:
        reply = engine.next()
        unanswered = reply.stamp != probe
        frames = reply.start + len(reply.images) if isinstance(reply, PathFrames) else frames
    engine.send(Cancel, request=path)
    assert frames < 4000


def test_exports_the_path_and_says_how_far_it_is(engine, inference, tmp_path):
    z = np.linspace(-1, 1, 18, dtype=np.float32).reshape(6, 3)
    target = tmp_path / "path.npz"
    stamp = engine.send(Export, z=z, path=str(target), format="npz", metadata='{"speed": "latent"}')
    shares, reply = [], engine.next()
    while isinstance(reply, ExportProgress):
        shares.append(reply.fraction)
        reply = engine.next()
    assert reply == Exported(stamp=stamp, path=str(target))
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 1
    with np.load(target, allow_pickle=False) as data:
        np.testing.assert_array_equal(data["latents"], z)
        np.testing.assert_array_equal(data["frames"], np.concatenate([inference.decode(point[None]) for point in z]))
        assert json.loads(str(data["metadata"])) == {"speed": "latent"}


def test_an_exported_strip_is_scaled_and_captioned_and_an_npz_is_not(engine, inference, tmp_path):
    z, look = np.zeros((2, 3), np.float32), FrameLook(size=128)
    fields = {"z": z, "look": look, "captions": (("0.00",), ("1.00",))}
    for kind in ("png", "npz"):
        stamp = engine.send(Export, path=str(tmp_path / f"p.{kind}"), format=kind, **fields)
        engine.wait_for(lambda reply, stamp=stamp: isinstance(reply, Exported) and reply.stamp == stamp)
    size = inference.image_size
    with Image.open(tmp_path / "p.png") as strip:
        pixels = np.asarray(strip)
    shown = inference.decode(z[:1])[0, ..., 0].repeat(128 // size, axis=0).repeat(128 // size, axis=1)
    np.testing.assert_array_equal(pixels[:128], np.concatenate([shown, shown], axis=1))
    assert 128 < len(pixels) < 160
    with np.load(tmp_path / "p.npz", allow_pickle=False) as data:
        assert data["frames"].shape[1:3] == (size, size)
    stamp = engine.send(Export, path=str(tmp_path / "q.gif"), format="gif", **(fields | {"look": FrameLook()}))
    failed = engine.wait_for(lambda reply: reply.stamp == stamp and not isinstance(reply, ExportProgress))
    assert "could not be read; choose a size of 96 or more" in failed.message
    assert not (tmp_path / "q.gif").exists()


def test_a_cancelled_export_leaves_no_file(engine, tmp_path):
    stamp = engine.send(Export, z=np.zeros((20_000, 3), np.float32), path=str(tmp_path / "p.gif"), format="gif")
    engine.wait_for(lambda reply: reply.stamp == stamp)
    engine.send(Cancel, request=stamp)
    probe = engine.send(Decode, z=Z)  # answered after the cancelling: nothing of the export may follow
    engine.wait_for(lambda reply: reply.stamp == probe)
    assert engine.ask(EncodeSample, index=0).stamp > stamp
    assert list(tmp_path.iterdir()) == []


# what it refuses, and lives on


@pytest.mark.parametrize(
    ("kind", "fields", "message"),
    [
        (Decode, {"z": np.zeros(2, np.float32)}, r"shape \(1, 2\); this model decodes \(n, 3\)"),
        (Decode, {"z": np.array([0, np.nan, 0], np.float32)}, "not finite"),
        (DecodePath, {"z": np.zeros((0, 3), np.float32)}, "n at least 1"),
        (EncodeSample, {"index": 10_000}, "sample 10000 does not exist"),
        (Export, {"z": np.zeros((2, 3), np.float32), "path": "p.bmp", "format": "bmp"}, "format is 'bmp'"),
        (Load, {"path": "/no/such/run"}, "/no/such/run does not exist"),
    ],
)
def test_a_bad_request_is_answered_by_its_reason(engine, kind, fields, message):
    stamp = engine.send(kind, **fields)
    failed = engine.wait_for(lambda reply: reply.stamp == stamp and not isinstance(reply, ExportProgress))
    assert isinstance(failed, Failed)
    assert re.search(message, failed.message), failed.message
    assert isinstance(engine.ask(Decode, z=Z), Decoded)


def test_an_export_into_a_folder_that_is_not_there_says_so(engine, tmp_path):
    stamp = engine.send(Export, z=Z[None], path=str(tmp_path / "absent" / "p.png"), format="png")
    failed = engine.wait_for(lambda reply: reply.stamp == stamp and not isinstance(reply, ExportProgress))
    assert "cannot be written" in failed.message


def test_without_a_model_every_request_says_what_to_do(fresh):
    assert fresh.ask(Decode, z=Z).message == "No model is loaded. Open a run first."
    assert fresh.ask(EncodeSample, index=0).message == "No model is loaded. Open a run first."


def test_truncated_weights_are_named_and_the_open_model_stays(engine, inference, tmp_path):
    broken = make_run(tmp_path / "broken")
    broken.weights_path.write_bytes(broken.weights_path.read_bytes()[:5000])
    failed = engine.load(broken)
    assert isinstance(failed, Failed)
    assert str(broken.weights_path) in failed.message
    np.testing.assert_array_equal(engine.ask(Decode, z=Z).image, inference.decode(Z[None])[0])


def test_weights_of_another_architecture_are_refused(shared, tmp_path):
    other = replace(TINY, model=ModelConfig(latent_dim=2))
    mixed = make_run(tmp_path / "mixed")
    save_weights(mixed.weights_path, seeded(other, 0).state_dict(), other)
    assert "does not fit this architecture" in shared.load(mixed).message


def test_a_damaged_record_of_samples_does_not_keep_the_model_from_loading(shared, tmp_path):
    damaged = make_run(tmp_path / "run")
    damaged.probe_path.write_bytes(b"PK")
    loaded = shared.load(damaged)
    assert (loaded.latent_dim, loaded.samples) == (3, 0)


def test_a_dataset_that_is_gone_is_named_and_decoding_goes_on(shared, tmp_path):
    data = replace(TINY.data, path=str(tmp_path / "moved away"))
    shared.load(make_run(tmp_path / "run", replace(TINY, data=data)))
    failed = shared.ask(EncodeSample, index=0)
    assert isinstance(failed, Failed)
    assert "moved away" in failed.message
    assert isinstance(shared.ask(Decode, z=Z), Decoded)


def test_images_of_a_folder_are_read_when_asked_for(fresh, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32), dtype=np.uint8)
    (tmp_path / "images").mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "images" / f"{i}.png")
    data = replace(TINY.data, path=str(tmp_path / "images"))
    fresh.load(make_run(tmp_path / "run", replace(TINY, data=data)))
    np.testing.assert_array_equal(fresh.ask(EncodeSample, index=1).original[..., 0], images[1])


# weights that change


def test_new_weights_are_taken_over_while_it_runs(shared, tmp_path):
    run = make_run(tmp_path / "run")
    shared.load(run)
    newer = write_weights(run, seed=1, step=90)
    assert shared.wait_for(lambda reply: isinstance(reply, WeightsChanged)).step == 90
    np.testing.assert_array_equal(shared.ask(Decode, z=Z).image, newer.decode(Z[None])[0])


def test_a_half_written_file_is_reported_once_and_the_next_good_one_is_used(shared, tmp_path):
    run = make_run(tmp_path / "run")
    shared.load(run)
    before = shared.ask(Decode, z=Z).image
    whole = run.weights_path.read_bytes()
    run.weights_path.write_bytes(whole[: len(whole) // 2])
    failed = shared.wait_for(lambda reply: isinstance(reply, Failed))
    assert failed.stamp == 0
    assert "damaged or truncated" in failed.message
    np.testing.assert_array_equal(shared.ask(Decode, z=Z).image, before)
    newer = write_weights(run, seed=2, step=120)
    reply = shared.next()  # no second report has come in between
    assert reply == WeightsChanged(step=120)
    np.testing.assert_array_equal(shared.ask(Decode, z=Z).image, newer.decode(Z[None])[0])


# how it starts and ends


def test_ends_when_its_input_does(fresh):
    fresh.process.stdin.close()
    assert fresh.exit_status() == 0


def test_ends_when_told_to(fresh):
    fresh.send(Shutdown)
    assert fresh.exit_status() == 0


def test_ends_when_nobody_reads_its_replies(fresh):
    fresh.process.stdout.close()
    fresh.send(Decode, z=Z)
    assert fresh.exit_status() == 0


def test_a_message_that_is_none_is_refused_and_the_next_one_answered(shared):
    shared.write(FRAME_HEADER.pack(9) + b"not one!!")
    assert "cannot read" in shared.wait_for(lambda reply: isinstance(reply, Failed)).message
    assert isinstance(shared.ask(Load, path="/no/such/run"), Failed)


def test_ends_when_the_stream_makes_no_sense(fresh):
    fresh.write(FRAME_HEADER.pack(MAX_FRAME + 1))
    assert fresh.exit_status() == 0
    assert "longer than the limit" in fresh.close()


def test_what_is_printed_never_reaches_the_protocol():
    code = (
        "import os\n"
        "from core.protocol.serving import take_standard_output\n"
        "from core.protocol.messages import WeightsChanged\n"
        "send = take_standard_output()\nprint('noise', flush=True)\nos.write(1, b'more')\nsend(WeightsChanged(step=3))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == frame(WeightsChanged(step=3))
    assert b"noise" in done.stderr
    assert b"more" in done.stderr


def test_imports_neither_the_trainer_nor_what_it_does_not_need():
    code = (
        "import sys, core.engine.handlers\n"
        "print(sorted({'lightning_fabric', 'sklearn', 'scipy', 'PySide6', 'rich', 'tyro', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


# its scheduling, step by step


@pytest.fixture
def steps(run: RunDirectory) -> Iterator[Steps]:
    stepped = Steps(run)
    yield stepped
    stepped.engine.close()


def test_of_waiting_decodes_only_the_newest_is_done(steps):
    steps.do(*(Decode(stamp=stamp, z=Z) for stamp in (2, 3, 4)))
    assert steps.answered == [4]


def test_what_follows_the_pointer_is_finished_once_begun_and_then_the_newest_is(steps):
    places = FindNearest(z=np.zeros((40, 3), np.float32), count=2)  # several slices
    steps.do(msgspec.structs.replace(places, stamp=2), slices=1)
    steps.do(*(msgspec.structs.replace(places, stamp=stamp) for stamp in (3, 4)))
    assert [reply.stamp for reply in steps.replies if reply.final] == [2, 4]


def test_the_probe_goes_before_everything_else(steps):
    path = DecodePath(stamp=2, z=np.zeros((3, 3), np.float32))
    steps.do(path, ReconstructValidation(stamp=3, count=1), EncodeSample(stamp=4, index=0), Decode(stamp=5, z=Z))
    assert steps.answered == [5, 4, 2, 3]


def test_a_decode_waits_for_one_image_at_most(steps):
    steps.do(DecodePath(stamp=2, z=np.zeros((50, 3), np.float32)), slices=9)
    steps.do(Decode(stamp=3, z=Z), slices=1)
    assert steps.answered == [2, 2, 3]


def test_a_newer_path_ends_the_older_one(steps):
    steps.do(DecodePath(stamp=2, z=np.zeros((50, 3), np.float32)), slices=5)
    steps.do(DecodePath(stamp=3, z=np.zeros((2, 3), np.float32)))
    assert steps.answered == [2, 3]


def test_opening_a_run_drops_what_was_asked_about_the_one_before(steps, run):
    steps.do(DecodePath(stamp=2, z=np.zeros((50, 3), np.float32)), slices=1)
    steps.do(Load(stamp=3, path=str(run.path)), Decode(stamp=4, z=Z))
    assert steps.answered == [3, 4]


def test_a_cancelled_request_is_never_answered(steps):
    steps.do(DecodePath(stamp=2, z=np.zeros((50, 3), np.float32)), slices=1)
    steps.do(Cancel(stamp=3, request=2))
    assert not steps.engine.busy
    assert steps.answered == []


def test_a_fault_of_the_engine_is_a_reply_and_a_traceback(steps, monkeypatch, capsys):
    monkeypatch.setattr(NetworkInference, "decode", lambda *_: 1 / 0)
    steps.do(Decode(stamp=2, z=Z))
    assert steps.replies == [Failed(stamp=2, message="ZeroDivisionError: division by zero")]
    assert "ZeroDivisionError" in capsys.readouterr().err


OF_FIGURES = {PreviewFigure, SaveFigure}  # for another process


def test_every_request_is_answered_by_one_final_reply(steps, tmp_path):
    z = np.zeros((5, 3), np.float32)
    requests = [
        Load(path=str(tmp_path / "absent")),
        Decode(z=Z),
        EncodeSample(index=1),
        EstimateDimension(),
        ReconstructValidation(count=2),
        MeasureLosses(indices=np.arange(20, dtype=np.int64)),
        DecodePath(z=z),
        FindNearest(z=z, count=2),
        FindInformative(values=np.zeros(20), classes=False),
        FindThumbnail(index=3),
        Export(z=z, path=str(tmp_path / "p.npz"), format="npz"),
        EncodeFactors(factors=np.ones(2, np.float32)),
        MeasureTransect(points=np.ones((5, 2)), indices=np.zeros(0, np.int64)),
        LoadSecond(path=""),
        CompareModels(index=0, factors=np.zeros(0, np.float32), z=Z),
        TracePath(kind="straight", start=Z, end=-Z),
        ComputeGridlines(families=("a", "b")),
        ComparePaths(kinds=("straight", "geodesic"), start=Z, end=-Z, target=""),
        SetAttributes(names=("c",), values=np.arange(4.0)[:, None]),
        MeasureAttributes(names=("area",)),
    ]
    assert {type(request) for request in requests} == set(Request.__subclasses__()) - {
        Cancel,
        Ping,
        Shutdown,
    } - OF_FIGURES
    for stamp, request in enumerate(requests, start=1):
        steps.do(msgspec.structs.replace(request, stamp=stamp))
        answers = [reply for reply in steps.replies if reply.stamp == stamp]
        assert [reply.final for reply in answers] == [False] * (len(answers) - 1) + [True], request


def test_a_newer_request_of_another_channel_supersedes_nothing(steps):
    z = np.zeros((9, 3), np.float32)
    steps.do(DecodePath(stamp=2, z=z), DecodePath(stamp=3, z=z, channel="other"), DecodePath(stamp=4, z=z))
    assert [reply.stamp for reply in steps.replies if reply.final] == [3, 4]


def test_inspected_and_reconstructed_samples_agree_with_each_other(steps):
    steps.do(EncodeSample(stamp=2, index=0), ReconstructValidation(stamp=3, count=0))
    assert isinstance(steps.replies[0], SampleEncoded)
    assert steps.replies[1].originals.shape == (0, 32, 32, 1)


def test_a_ping_is_answered_while_a_function_of_a_program_never_returns(tmp_path, monkeypatch):
    listener = ChannelListener("session")
    for name, value in listener.variables.items():
        monkeypatch.setenv(name, value)
    channels: list[Any] = []  # who connects is heard, and never answered
    threading.Thread(target=lambda: channels.append(listener.accept()), daemon=True).start()
    functions = PythonFunctions(session="session", decodes=True, encodes=False)
    config = RunConfig(data=DataConfig(source="none", image_size=8), model=ModelConfig(latent_dim=3))
    run = RunDirectory.create(tmp_path / "run", config, {KEY: stored_form(functions)})
    engine = EngineProcess()
    try:
        assert isinstance(engine.ask(Ping), Pong)  # while torch is imported
        asked = engine.send(Load, path=str(run.path))
        pong = engine.ask(Ping)
        while pong.seconds < 0.5:
            time.sleep(0.1)
            pong = engine.ask(Ping)
        assert pong.request == asked
    finally:
        engine.process.kill()
        engine.close()
        listener.close()
