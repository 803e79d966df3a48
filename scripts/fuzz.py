"""Damage files in many ways, and see that each is read right or refused by an error of Isoline's own.

    python scripts/fuzz.py                          # 2,000 damaged files for every reader
    python scripts/fuzz.py --cases 50000 --seed 7   # a night's worth
    python scripts/fuzz.py --reader means config    # some of the readers

A reader has failed if anything but an error of Isoline's own or of the operating system comes out, if one file takes
more than 2 seconds or all of them together more than 1 GB, or if its process dies. What it failed on is kept.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any
from unittest import mock

import numpy as np

CASE_S = 2.0
MOST_MEMORY = 1 << 30  # bytes, of all cases of a reader
RECIPE = "0" * 32
CACHED = Path("cache", f"images-{RECIPE}.record")
SHOWN = 5  # failures of a reader that are printed

JUNK = (
    b"\0" * 16, b"9" * 40, b"\xff" * 8, b"\t", b"\n", b'"', b"{", b"[" * 2000, b"-1", b"NaN", b"1e308", b"\x93NUMPY",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1 << 31, 1 << 63, -(1 << 63), 0.5, 1e308, -1e308, 1e-320, "", "x", "\0", "../../x", "/",
    "<h1>x</h1>", "x" * 10_000, [], [[]], {}, {"x": 1},
)  # fmt: skip


@dataclass(frozen=True)
class Reader:
    """What is read, in which ``file`` below the folder that ``make_originals`` fills, and by which function."""

    name: str
    file: str
    read: Callable[[Path], Any]
    weight: float = 1.0
    """How many of the suite's cases: some readers are slow."""
    is_right: Callable[[Any], bool] = lambda result: True
    """Whether what was read may be shown."""
    quick: Callable[[], contextlib.AbstractContextManager[None]] = contextlib.nullcontext
    """In which reading takes less time, but comes to the same."""


def make_originals(folder: Path) -> None:
    """Sound files of every kind, small ones."""
    import h5py
    import msgspec
    import pyarrow
    import pyarrow.parquet
    import tifffile
    from PIL import Image

    from core.config import DataConfig, RunConfig
    from core.data.latents.parts import Manifest, PartRecord, PartsFolder
    from core.data.latents.parts import Settings as PartsSettings
    from core.data.latents.projector import METADATA
    from core.data.preparation import prepare
    from core.experiments.folder import Progress
    from core.models.vae import build_model
    from core.paths.latent_path import LatentPath
    from core.paths.saved_paths import SavedPath, save_path
    from core.projects.archive import ProjectWriter
    from core.projects.edited import Attributes, Display, Document, Edited, PackedPositions, Step
    from core.projects.embedded import add_run
    from core.projects.project import Project
    from core.projects.run_reference import reference
    from core.protocol.messages import Decode, frame
    from core.runs.directory import Control, ProbeSet, RunDirectory
    from core.runs.metrics_log import MetricsWriter
    from core.training.checkpoint import save_weights

    rng = np.random.default_rng(0)
    means = rng.standard_normal((12, 3)).astype(np.float32)
    config = RunConfig(data=DataConfig(image_size=32))
    dataset = {"samples": 12, "train": 10, "validation": 2, "factor_names": ["a"], "notes": ["turned"], "skipped": []}
    run = RunDirectory.create(folder / "run", config, {"created": "today", "dataset": dataset})
    thumbnails, split = np.full((12, 32, 32, 1), 7, np.uint8), np.zeros(12, np.uint8)
    factors, kinds = np.arange(12, dtype=np.float32)[:, None] % 2, (("cat", "dog"),)
    run.write_probe(ProbeSet(np.arange(12), factors, ("a",), thumbnails, split, kinds, tuple("abcdefghijkl")))
    run.write_embedding(means)
    run.write_control(Control(3, "paused", "epoch", learning_rate=1e-3))
    run.lock_path.write_text('{"pid": 7, "host": "here", "token": "x", "state": "running"}', "utf-8")
    metrics = MetricsWriter(run.metrics_path)
    metrics.append({"kind": "event", "event": "started", "device": "cpu", "message": "training on cpu"})
    for step in range(1, 4):
        metrics.append({"kind": "step", "step": step, "epoch": 1, "total_steps": 3, "loss": 0.5, "time": 1.0})
    metrics.append({"kind": "epoch", "epoch": 1, "step": 3, "validation": {"loss": 0.4}, "best": True})
    metrics.append({"kind": "report", "twonn": 2.0, "findings": [{"kind": "x", "message": "y", "changes": {}}]})
    metrics.close()
    edited = Edited(
        Document(means[0], 1, LatentPath(means[:3])),
        Display("a"),
        selected=PackedPositions.of(np.arange(5)),
        attributes=Attributes(("size",), means[:, :1].astype(np.float64)),
    )
    project = Project(reference(run), (Step("", edited), Step("notes", replace(edited, notes="x"))), 1)
    ProjectWriter().write(folder / "p.isoline", project, compressed=True, add_files=lambda zip: add_run(zip, run))
    save_path(run.path, SavedPath("one", LatentPath(means[:3]), "latent", LatentPath(means[:3]).resample(7)))
    save_weights(run.weights_path, build_model(config).state_dict(), config)
    progress = Progress(1, "transects", "running", "training", 0.5, "run", 60.0, 1, "here", 1.0)
    (folder / "progress.json").write_bytes(msgspec.json.encode(progress))
    (folder / "request").write_bytes(frame(Decode(stamp=1, z=means[0])))
    np.save(folder / "z.npy", means)
    np.savez_compressed(folder / "z.npz", latents=means, kind=np.arange(12))
    rows = "".join(f"{i}.png,{x},{y},{i % 2}\n" for i, (x, y, _) in enumerate(means))
    (folder / "z.csv").write_text(f"file,z1,z2,kind\n{rows}", "utf-8")
    (folder / "vectors.tsv").write_text("".join("\t".join(map(str, row)) + "\n" for row in means.tolist()), "utf-8")
    (folder / METADATA).write_text("name\tkind\n" + "".join(f"n{i}\tk{i % 2}\n" for i in range(12)), "utf-8")
    (folder / "c.pbtxt").write_text('embeddings { tensor_path: "vectors.tsv" metadata_path: "metadata.tsv" }', "utf-8")
    columns = {"z": [list(map(float, row)) for row in means], "kind": ["a", "b"] * 6}
    pyarrow.parquet.write_table(pyarrow.table(columns), folder / "z.parquet")
    for kind in ("parquet", "npy"):
        parts = PartsFolder(folder / f"parts-{kind}")
        for name in ("parts", "done"):
            (parts.path / name).mkdir(parents=True)
        settings = PartsSettings("run", "0", ["images"], "float32", kind, 12)
        parts.begin(Manifest(settings, 12, 1, means.shape[1], {}, {}, False, "today"))
        parts.write_part(0, kind, means, [f"{number}.png" for number in range(12)])
        parts.finish_part(0, PartRecord(12))
    images = rng.integers(0, 255, (12, 8, 8), dtype=np.uint8)
    np.savez(folder / "images.npz", images=images, labels=np.arange(12))
    with h5py.File(folder / "images.h5", "w") as file:
        file["images"], file["labels"] = images, np.arange(12)
    header = bytes([0, 0, 8, 3]) + b"".join(int(side).to_bytes(4, "big") for side in images.shape)
    (folder / "images-idx3-ubyte").write_bytes(header + images.tobytes())
    for ending in ("png", "tiff", "gif", "bmp"):
        pictures = folder / ending
        pictures.mkdir()
        for number in range(2):
            Image.fromarray(images[number]).save(pictures / f"{number}.{ending}")
    (folder / "npy").mkdir()
    (folder / "stack").mkdir()
    for number in range(2):
        np.save(folder / "npy" / f"{number}.npy", images[number])
    tifffile.imwrite(folder / "stack" / "1.tiff", images[:4].astype(np.uint16), photometric="minisblack")
    prepare(DataConfig(path=str(folder / "images.npz"), image_size=8), cache=folder / "cache")
    for file in (folder / "cache").glob("images-*"):
        file.rename(folder / CACHED.with_suffix(file.suffix))


def readers() -> list[Reader]:
    """All of them."""
    import core.cli.info
    from core.config import DataConfig
    from core.data.cache import ImageCache
    from core.data.latents.opening import read_latent_rows
    from core.data.latents.projector import METADATA
    from core.data.latents.rows import LatentRows
    from core.data.loading import load_dataset
    from core.data.preparation import Prepared, find_prepared
    from core.data.tables import read_table
    from core.experiments.folder import read_progress
    from core.paths.latents_file import read_latents
    from core.paths.saved_paths import read_saved_path
    from core.projects.archive import read_project
    from core.projects.embedded import unpack_run
    from core.protocol.messages import FrameReader
    from core.runs.directory import RunDirectory, RunError
    from core.runs.lock import read_holder
    from core.runs.metrics_log import read_metrics
    from core.training.checkpoint import load_model

    def rows(path: Path) -> LatentRows:
        return read_latent_rows(path, 100)

    def are_rows(found: LatentRows) -> bool:
        latents = found.latents
        complete = len(latents) == len(found.indices) <= found.total
        return latents.dtype == np.float32 and complete and bool(np.isfinite(latents).all())

    def are_latents(z: np.ndarray) -> bool:
        return z.dtype == np.float32 and z.ndim == 2 and bool(np.isfinite(z).all())

    def of_run(read: Callable[[RunDirectory], object], up: int = 0) -> Callable[[Path], object]:
        return lambda path: read(RunDirectory.open(path.parents[up]))

    def means(run: RunDirectory) -> np.ndarray:
        with contextlib.suppress(RunError):  # the header alone may be whole
            run.recorded_count()
        return run.newest_embedding()

    def info(path: Path) -> object:
        with contextlib.redirect_stdout(io.StringIO()):
            return core.cli.info.run(core.cli.info.Options(path.parent))

    def images(path: Path) -> object:
        with tempfile.TemporaryDirectory() as cache:  # in one for all, each case would look at those before it
            return load_dataset(DataConfig(path=str(path), image_size=8), cache=Path(cache))

    def unpacked(path: Path) -> object:
        with tempfile.TemporaryDirectory() as folder:
            return unpack_run(path, Path(folder), "run")

    def cached(path: Path) -> Prepared | None:
        return find_prepared(ImageCache(path.parent), RECIPE)

    def are_cached(found: Prepared | None) -> bool:
        return found is None or (len(found.images) == 12 and int(found.images.max()) > 0)

    return [
        Reader("config", "run/config.json", of_run(lambda run: run.status())),
        Reader("info, of its config", "run/config.json", info, 0.5),
        Reader("info, of its metrics", "run/metrics.jsonl", info, 0.5),
        Reader("probe", "run/probe.npz", of_run(lambda run: run.read_probe().labels)),
        Reader("means", "run/embeddings/live.npy", of_run(means, 1), 1.0, are_latents),
        Reader("metrics", "run/metrics.jsonl", read_metrics),
        Reader("control", "run/control.json", of_run(lambda run: run.read_control())),
        Reader("lock", "run/lock", read_holder),
        Reader("saved path", "run/paths/one.json", read_saved_path),
        Reader("project", "p.isoline", read_project),
        Reader("run in a project", "p.isoline", unpacked, 0.2),
        Reader("weights", "run/weights.safetensors", load_model, 0.1),
        Reader("experiment", "progress.json", lambda path: read_progress(path.parent)),
        Reader("engine message", "request", lambda path: FrameReader("request").feed(path.read_bytes())),
        Reader("latents to decode, NPY", "z.npy", read_latents, 1.0, are_latents),
        Reader("latents to decode, NPZ", "z.npz", read_latents, 1.0, are_latents),
        Reader("latents to decode, CSV", "z.csv", read_latents, 0.5, are_latents),
        Reader("latents, NPY", "z.npy", rows, 1.0, are_rows),
        Reader("latents, NPZ", "z.npz", rows, 1.0, are_rows),
        Reader("latents, CSV", "z.csv", rows, 0.5, are_rows),
        Reader("latents, Parquet", "z.parquet", rows, 0.5, are_rows),
        *(Reader(f"encoded parts, {what}", f"parts-{place}", lambda path, up=up: rows(path.parents[up]), 0.5, are_rows)
          for what, place, up in (
              ("manifest", "parquet/manifest.json", 0),
              ("record", "parquet/done/000000.json", 1),
              ("Parquet", "parquet/parts/000000.parquet", 1),
              ("NPY", "npy/parts/000000.npy", 1),
              ("names", "npy/parts/000000.files.json", 1),
          )),
        Reader("projector, vectors", "vectors.tsv", rows, 1.0, are_rows),
        Reader("projector, metadata", METADATA, lambda path: rows(path.with_name("vectors.tsv")), 1.0, are_rows),
        Reader("projector, configuration", "c.pbtxt", rows, 1.0, are_rows),
        Reader("table, CSV", "z.csv", read_table, 0.5),
        Reader("table, NPZ", "z.npz", read_table),
        Reader("images, NPZ", "images.npz", images, 0.2, quick=quick_images),
        Reader("images, HDF5", "images.h5", images, 0.2, quick=quick_hdf5),
        Reader("images, IDX", "images-idx3-ubyte", images, 0.2, quick=quick_images),
        *(Reader(f"images, {kind.upper()}", f"{kind}/1.{kind}", lambda path: images(path.parent), 0.1,
                 quick=quick_images)
          for kind in ("png", "tiff", "gif", "bmp", "npy")),
        Reader("images, stack", "stack/1.tiff", images, 0.1, quick=quick_images),
        Reader("image cache, record", str(CACHED), cached, 1.0, are_cached),
        Reader("image cache, images", str(CACHED.with_suffix(".npy")), cached, 1.0, are_cached),
    ]  # fmt: skip


class AtOnce(Executor):
    """Works where it is asked to: starting threads for two small images takes most of the time that they take."""

    def __init__(self, workers: int, name: str) -> None:
        """As ``ThreadPoolExecutor``."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


LOOKS = """
import os, signal, sys
from pathlib import Path
import h5py
from core.data.sources.hdf5_probe import look
for line in sys.stdin:
    process = os.fork()
    if not process:
        signal.alarm(int(sys.argv[1]))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 1
        try:
            look(Path(line[:-1]))
            status = 0
        finally:
            os._exit(status)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""
"""What has imported h5py, and looks at each file that it is told in a fork of itself."""


@contextlib.contextmanager
def quick_images() -> Iterator[None]:
    """Read images without starting threads, which is most of the time that two small ones take."""
    from core.data.sources import parallel

    with mock.patch.object(parallel, "ThreadPoolExecutor", AtOnce):
        yield


@contextlib.contextmanager
def quick_hdf5() -> Iterator[None]:
    """The same, and no start of Python and import of h5py, fifty times as long as a look at a small file, for each."""
    from core.data.sources import hdf5
    from core.data.sources.hdf5_probe import StuckError

    def check_ends(path: Path, progress: object = None) -> None:
        assert looks.stdin is not None
        assert looks.stdout is not None
        looks.stdin.write(f"{path}\n")
        looks.stdin.flush()
        status = int(looks.stdout.readline())
        if status not in (0, 1):
            raise StuckError(f"HDF5's library does not get on with it, or ends its process, with status {status}")

    command = [sys.executable, "-c", LOOKS, str(int(CASE_S))]
    pipe = subprocess.PIPE
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True) as looks,
        mock.patch.object(hdf5, "check_ends", check_ends),
        quick_images(),
    ):
        yield


def damaged(content: bytes, dice: random.Random) -> bytes:
    """``content`` with a few things wrong: bytes anywhere, or what is inside its archive, its JSON, its header."""
    choices = [_damaged_bytes]
    if content[:4] == b"PK\x03\x04":
        choices += [_damaged_archive] * 2
    if content[:6] == b"\x93NUMPY":
        choices += [_damaged_header] * 2
    if content[:1] == b"{":
        choices += [_damaged_json] * 3
    if content[8:10] == b'{"':
        choices += [_damaged_weights] * 4
    if content[1:7] == b"\xa5shape":
        choices += [_damaged_record] * 4
    return dice.choice(choices)(content, dice)


def _damaged_bytes(content: bytes, dice: random.Random) -> bytes:
    data = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 8))):
        place = dice.randrange(len(data))
        match dice.randrange(6):
            case 0:
                data[place] = dice.randrange(256)
            case 1:
                data[place] ^= 1 << dice.randrange(8)
            case 2:
                del data[place : place + dice.randrange(1, 64)]
            case 3:
                data[place:place] = dice.choice(JUNK)
            case 4:
                data[place:place] = data[place : place + dice.randrange(1, 200)]
            case _:
                del data[place + 1 :]
        data = data or bytearray(b"\n")
    return bytes(data)


def _damaged_archive(content: bytes, dice: random.Random) -> bytes:
    """Whose checksums are right: what is wrong lies inside."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as new:
        names = old.namelist()
        chosen = dice.choice(names)
        for name in names:
            member = old.read(name)
            match dice.randrange(5) if name == chosen else -1:
                case 0:
                    continue
                case 1:
                    new.writestr(dice.choice(("../x.npy", "x", "extra.npy", "/x.npy")), member)
                case -1:
                    new.writestr(name, member)
                case _:
                    new.writestr(name, damaged(member, dice) if member else b"\0")
    return stream.getvalue()


def _damaged_weights(content: bytes, dice: random.Random) -> bytes:
    """A header or tensors that do not fit, with the right checksums: nothing else would be read past them."""
    import safetensors.torch
    import torch

    from core.training import checkpoint

    (size,) = struct.unpack_from("<Q", content)
    header = json.loads(json.loads(content[8 : 8 + size])["__metadata__"][checkpoint._METADATA_KEY])
    tensors = safetensors.torch.load(content)
    name = dice.choice(list(tensors))
    tensor = tensors[name]
    match dice.randrange(12):
        case 0:
            del tensors[name]
        case 1:
            tensors[dice.choice(("x", "", name + ".x"))] = tensors.pop(name).clone()
        case 2:
            tensors[name] = tensor.flatten()
        case 3:
            tensors[name] = tensor[..., :0] if tensor.ndim else tensor[None]
        case 4:
            tensors[name] = tensor.to(dice.choice((torch.float64, torch.float16, torch.int64, torch.bool)))
        case 5:
            tensors[name] = torch.full_like(tensor, dice.choice((math.nan, math.inf, 3e38, 0.0)))
        case _:
            changed = _replaced(header, dice)
            header = changed if isinstance(changed, dict) else header
    text = json.dumps({**header, "crc32": checkpoint._checksum(tensors)})
    sums = {checkpoint._METADATA_KEY: text, checkpoint._CHECKSUM_KEY: checkpoint._text_checksum(text)}
    return safetensors.torch.save(tensors, sums)


def _damaged_record(content: bytes, dice: random.Random) -> bytes:
    """A record of cached images that says something else, with the right checksum."""
    import msgspec

    from core.data import cache

    record = msgspec.msgpack.decode(content, type=cache._Record)
    if dice.random() < 0.8:
        about = _replaced(msgspec.msgpack.decode(record.about), dice)
        record.about = msgspec.Raw(msgspec.msgpack.encode(about))
    else:
        record.shape = dice.choice(((), (12,), (0, 8, 8, 1), (12, 8, 8, 0), (1 << 40, 8, 8, 1), (-12, 8, 8, 1)))
    record.check = record.checksum()
    return msgspec.msgpack.encode(record)


def _damaged_header(content: bytes, dice: random.Random) -> bytes:
    """An array of another shape or type than its content."""
    stream = io.BytesIO(content)
    np.lib.format.read_magic(stream)
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    sides = list(shape) or [1]
    sides[dice.randrange(len(sides))] = dice.choice((0, 1, -1, 2**31, 2**62, 10**30))
    kinds = ("<f4", "<f8", ">f4", "<f2", "<i8", "|b1", "|O", "<U3", "|V8", "|S2", "<M8[s]", "<c8")
    header = {
        "descr": dice.choice((dtype.str, dice.choice(kinds))),
        "fortran_order": dice.choice((fortran, not fortran)),
        "shape": dice.choice((shape, tuple(sides), (*shape, 1), shape[:-1])),
    }
    made = io.BytesIO()
    np.lib.format.write_array_header_1_0(made, header)
    data = made.getvalue() + stream.read()
    count = 1
    for side in header["shape"]:
        count *= side
    wanted = count * np.dtype(header["descr"]).itemsize
    if dice.random() < 0.5 and 0 <= wanted < 1 << 20:  # of the very length that it claims
        content_length = len(made.getvalue()) + wanted
        data = data[:content_length].ljust(content_length, b"\xff" if dice.random() < 0.5 else b"\0")
    return data


def _damaged_json(content: bytes, dice: random.Random) -> bytes:
    """Sound JSON, a line or the whole file, with a value that nobody expects."""
    lines = content.split(b"\n")
    whole = content.count(b"\n") < 2 or b"\n " in content
    places = [0] if whole else [number for number, line in enumerate(lines) if line]
    number = dice.choice(places)
    try:
        value = json.loads(content if whole else lines[number])
    except ValueError:
        return _damaged_bytes(content, dice)
    for _ in range(dice.choice((1, 1, 3))):
        value = _replaced(value, dice)
    text = json.dumps(value).encode()
    if whole:
        return text
    lines[number] = text
    return b"\n".join(lines)


def _replaced(value: Any, dice: random.Random) -> Any:
    if isinstance(value, dict) and value and dice.random() < 0.85:
        key = dice.choice(list(value))
        match dice.randrange(8):
            case 0:
                return {name: item for name, item in value.items() if name != key}
            case 1:
                return value | {dice.choice(("x", "", key + "x")): value[key]}
            case _:
                return value | {key: _replaced(value[key], dice)}
    if isinstance(value, list) and value and dice.random() < 0.85:
        place = dice.randrange(len(value))
        match dice.randrange(6):
            case 0:
                return value[:place]
            case 1:
                return value * dice.choice((2, 50))
            case _:
                return [*value[:place], _replaced(value[place], dice), *value[place + 1 :]]
    return dice.choice(VALUES)


def is_own(error: BaseException) -> bool:
    """Whether a person can read it: Isoline's, or the operating system's."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in ("core", "explorer")


@dataclass
class Outcome:
    """Of one reader: how many files, how many were read, what was wrong, the slowest and the memory of all."""

    cases: int
    read: int
    failures: list[str]
    slowest_s: float
    memory: int


def try_reader(reader: Reader, folder: Path, cases: int, seed: int, kept: Path | None = None) -> Outcome:
    """Give ``reader`` so many damaged files, in place of its own in ``folder``."""
    with reader.quick():
        return _try_reader(reader, folder, cases, seed, kept)


def _try_reader(reader: Reader, folder: Path, cases: int, seed: int, kept: Path | None) -> Outcome:
    file = folder / reader.file
    sound = file.read_bytes()
    reader.read(file)  # the original is sound, and libraries are loaded
    dice = random.Random(f"{seed} {reader.name}")
    begun = _peak()
    outcome = Outcome(cases, 0, [], 0.0, 0)
    try:
        for case in range(cases):
            content = damaged(sound, dice)
            file.write_bytes(content)
            problem, seconds, is_read = "", math.inf, False
            for _ in range(2):  # the shorter time counts: other programs may have had the processors
                since = perf_counter()
                signal.alarm(10 * int(CASE_S))  # what never returns ends the process
                try:
                    problem = "" if reader.is_right(reader.read(file)) else "what was read cannot be shown"
                    is_read = True
                except Exception as error:
                    if not is_own(error):
                        problem = f"{type(error).__name__}: {str(error)[:200]}"
                signal.alarm(0)
                seconds = min(seconds, perf_counter() - since)
                if seconds <= CASE_S:
                    break
            outcome.read += is_read
            outcome.slowest_s = max(outcome.slowest_s, seconds)
            if seconds > CASE_S:
                problem = problem or f"took {seconds:.1f} s"
            if file.read_bytes() != content:
                problem = problem or "the file was changed"
            before, outcome.memory = outcome.memory, _peak() - begun
            if before <= MOST_MEMORY < outcome.memory:
                problem = problem or f"took {outcome.memory / 1e9:.1f} GB"
            if problem:
                outcome.failures.append(f"case {case}: {problem}")
                if kept is not None:
                    kept.mkdir(parents=True, exist_ok=True)
                    (kept / f"{reader.name} {seed} {case}{file.suffix}").write_bytes(content)
    finally:
        signal.alarm(0)
        file.write_bytes(sound)
    return outcome


def _peak() -> int:
    """Bytes, the most that this process has had."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main(argv: list[str] | None = None) -> int:
    """Returns 1 if a reader failed."""
    names = [reader.name for reader in readers()]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000, help="damaged files for a reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--reader", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names))
    parser.add_argument("--keep", type=Path, default=Path("fuzz-failures"), help="folder for what a reader failed on")
    parser.add_argument("--in-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(argv)
    if options.in_process:
        return _one(options)
    failed = 0
    for name in options.reader:
        with tempfile.TemporaryDirectory(prefix="isoline-fuzz-") as folder:
            command = [sys.executable, __file__, "--in-process", "--reader", name, "--seed", str(options.seed)]
            command += ["--cases", str(options.cases), "--keep", str(options.keep)]
            ended = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, env=_environment(folder))
            print(ended.stdout, end="", flush=True)
            if ended.returncode < 0:
                print(f"{name}: died of {signal.Signals(-ended.returncode).name}; see {options.keep}", flush=True)
                options.keep.mkdir(parents=True, exist_ok=True)
                shutil.copytree(folder, options.keep / f"{name} {options.seed}", dirs_exist_ok=True)
            failed += ended.returncode != 0
    return int(failed > 0)


def _environment(folder: str) -> dict[str, str]:
    return {**os.environ, "TMPDIR": folder, "ISOLINE_CACHE": str(Path(folder) / "cache")}


def _one(options: argparse.Namespace) -> int:
    (name,) = options.reader
    reader = next(reader for reader in readers() if reader.name == name)
    folder = Path(tempfile.mkdtemp())
    make_originals(folder)
    outcome = try_reader(reader, folder, options.cases, options.seed, options.keep)
    print(
        f"{name:<26} {outcome.cases:>7,} files, {outcome.read:>6,} read, {len(outcome.failures)} failures, "
        f"slowest {outcome.slowest_s:.2f} s, {max(0, outcome.memory) / 1e6:.0f} MB"
    )
    for failure in outcome.failures[:SHOWN]:
        print(f"    {failure}")
    return int(bool(outcome.failures))


if __name__ == "__main__":
    sys.exit(main())
