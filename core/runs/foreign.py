"""What a file or folder of another program is, so that nobody is told of damage where there is none.

Only names, first bytes, the listing of archives and of HDF5 files are looked at, and of a pickle the names of the
classes that it asks for: nothing is unpickled, nothing is run.
"""

from __future__ import annotations

import contextlib
import io
import pickletools
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from core.utils.untrusted import UnreadableError, decode_json, open_regular, read_json

Kind = Literal["tensors", "pythae", "diffusers", "onnx", "latents", "code", "keras", "hdf5", "program"]
IMPORTABLE: tuple[Kind, ...] = ("tensors", "pythae", "diffusers")
"""Those that `isoline import` rebuilds from their tensors."""
_IN_FOLDERS = (".json", ".pt", ".safetensors", ".bin", ".pkl", ".msgpack")
"""Files of the folders that pythae and diffusers save: each stands for its folder."""
_LARGEST_PICKLE = 64 << 20  # bytes, of the part without tensors
_MAX_HEADER = 1 << 26
_TORCH_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
"""The first bytes of what torch.save wrote before version 1.6."""
_PLAIN = (
    "collections ", "torch._utils _rebuild_", "torch.storage ", "torch.serialization ", "torch._tensor ", "_codecs ",
    "torch.nn.parameter ",
)  # fmt: skip
_EXPORT = (
    "Export its decoder to ONNX in the program that made it, torch.onnx.export(decoder, (torch.zeros(1, d),), "
    '"decoder.onnx", dynamo=True), d being its latent dimensions, and the encoder likewise with an image; then run '
    "`isoline import decoder.onnx --encoder encoder.onnx`."
)
_KERAS = (
    'Export its decoder in the program that made it, decoder.export("decoder.onnx", format="onnx"), and the encoder '
    "likewise; then run `isoline import decoder.onnx --encoder encoder.onnx`."
)


@dataclass(frozen=True)
class Foreign:
    """``what`` it is, continuing "… is"; ``advice``, what to do with it. ``path`` is a folder where all of it is the
    model, whichever of its files was named."""

    path: Path
    kind: Kind
    what: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path} is {self.what}. {self.advice}"


def foreign_model(path: Path) -> Foreign | None:
    """What ``path`` is, if it is a sound file or folder that another program made; None for ours, and for others."""
    path = Path(path)
    try:
        if path.is_dir():
            return _folder(path)
        suffix = path.suffix.lower()
        if suffix == ".onnx":
            return Foreign(path, "onnx", "a model in an ONNX file", f"Run `isoline import {path}`.")
        if suffix == ".py":
            return Foreign(path, "program", "a Python file", f"Run `isoline open {path}`.")
        if suffix in (".npy", ".npz", ".csv", ".tsv", ".parquet", ".pbtxt"):
            return Foreign(
                path, "latents", "a file of arrays or a table", f"If it holds latents: `isoline import {path}`."
            )
        folder = _folder(path.parent) if suffix in _IN_FOLDERS and path.is_file() else None
        if folder is not None:
            return folder
        with open_regular(path) as file:
            return _file(path, file)
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, RuntimeError, ValueError):
        return None  # it cannot be read, or is damaged: whoever wanted to use it says so


def _folder(path: Path) -> Foreign | None:
    if (path / "final_model" / "model_config.json").is_file():  # in what a training of pythae leaves
        return _folder(path / "final_model")
    if (path / "model_config.json").is_file() and (path / "model.pt").is_file():
        return Foreign(path, "pythae", "a model that pythae saved", f"Run `isoline import {path}`.")
    if (path / "model_index.json").is_file() and (path / "vae" / "config.json").is_file():
        return _folder(path / "vae")  # the part of a pipeline that has latents of images
    name = _json(path / "config.json").get("_class_name")
    if name is not None:
        can = "Of diffusers' models AutoencoderKL can be imported."
        advice = f"Run `isoline import {path}`." if name == "AutoencoderKL" else f"{can} {_EXPORT}"
        return Foreign(path, "diffusers", f"a model of diffusers ({name})", advice)
    if (path / "saved_model.pb").is_file():
        return Foreign(path, "keras", "a SavedModel of TensorFlow", _KERAS)
    return None


def _json(path: Path) -> dict:
    try:
        content = read_json(path)
    except (UnreadableError, OSError):
        return {}
    return content if isinstance(content, dict) else {}


def _file(path: Path, file: IO[bytes]) -> Foreign | None:
    head = file.read(16)
    file.seek(0)
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return _hdf5(path)
    if head.startswith(b"PK\x03\x04"):
        return _archive(path, file)
    if head.startswith(_TORCH_MAGIC):
        for _ in range(3):  # magic number, version, byte order and sizes
            list(pickletools.genops(file))
        return _torch(path, _classes(file))
    if head[:1] == b"\x80" and head[1:2] in b"\x02\x03\x04\x05" and path.suffix.lower() not in (".safetensors", ""):
        return Foreign(
            path, "code", "a pickle of Python objects, which is code and is not opened", f"{_EXPORT}"
        )  # fmt: skip
    if path.suffix.lower() == ".safetensors":
        return _safetensors(path, head, file)
    return None


def _hdf5(path: Path) -> Foreign:
    import h5py  # for these files alone

    with contextlib.suppress(OSError, RuntimeError), h5py.File(path, "r") as file:  # a damaged one is not Keras's
        whole = "model_config" in file.attrs
        if whole or "layer_names" in file.attrs or {"layers", "vars"} <= set(file):
            what = "a model of Keras in an HDF5 file" if whole else "a file with the weights of a model of Keras"
            load = "" if whole else "Load them in the program that made them, model.load_weights(…). "
            return Foreign(path, "keras", what, f"{load}{_KERAS}")
    advice = "Images in it are for training: `isoline dataset inspect` says what it finds in it."
    return Foreign(path, "hdf5", "an HDF5 file, but no model of Keras", advice)


def _archive(path: Path, file: IO[bytes]) -> Foreign | None:
    with zipfile.ZipFile(file) as archive:
        names = archive.namelist()
        if "model.weights.h5" in names:
            return Foreign(path, "keras", "a model of Keras", _KERAS)
        pickles = [name for name in names if name.count("/") <= 1 and name.rpartition("/")[2] == "data.pkl"]
        if not pickles:
            return None
        if any(name.rpartition("/")[2] == "constants.pkl" for name in names):
            what = "a TorchScript archive, which is a program and is not run"
            return Foreign(path, "code", what, f"{_EXPORT} torch.jit.load gives the model that is exported.")
        info = archive.getinfo(pickles[0])
        if info.file_size > _LARGEST_PICKLE or info.compress_type != zipfile.ZIP_STORED:
            return None
        return _torch(path, _classes(io.BytesIO(archive.read(info))))


def _torch(path: Path, classes: list[str]) -> Foreign:
    if classes:
        name = classes[0].replace(" ", ".")
        return Foreign(
            path,
            "code",
            f"a PyTorch file with a whole object in it ({name}), which is code and is not loaded",
            f"{_EXPORT} Or save the tensors alone there, torch.save(model.state_dict(), …), and run "
            "`isoline import weights.pt --model my_model.py`.",
        )
    return Foreign(path, "tensors", "a PyTorch file of tensors", _with_program(path))


def _with_program(path: Path) -> str:
    return (
        f"Its tensors do not say how they are computed with: run `isoline import {path} --model my_model.py`, with a "
        "file that defines load(state)."
    )


def _classes(file: IO[bytes]) -> list[str]:
    """The classes and functions that the pickle in ``file`` asks for, but for those of tensors; nothing is loaded."""
    found, texts = [], []
    for operation, argument, _ in pickletools.genops(file):
        if operation.name in ("SHORT_BINUNICODE", "BINUNICODE", "UNICODE"):
            texts.append(str(argument))
        name = str(argument) if operation.name == "GLOBAL" else ""
        if operation.name == "STACK_GLOBAL" and len(texts) > 1:
            name = f"{texts[-2]} {texts[-1]}"
        module, _, member = name.partition(" ")
        plain = name.startswith(_PLAIN) or (module == "torch" and (member.endswith("Storage") or member.islower()))
        if name and not plain and name not in ("torch Size", "__builtin__ set", "builtins set"):
            found.append(name)
    return found


def _safetensors(path: Path, head: bytes, file: IO[bytes]) -> Foreign | None:
    size = int.from_bytes(head[:8], "little")
    file.seek(8)
    if len(head) < 8 or size > _MAX_HEADER:
        return None
    content = file.read(size)
    try:
        entries = decode_json(content)
    except UnreadableError:
        return None
    if not isinstance(entries, dict):
        return None
    metadata = entries.get("__metadata__")
    if isinstance(metadata, dict) and "isoline" in metadata:
        return None
    return Foreign(path, "tensors", "a safetensors file, but not one of Isoline's", _with_program(path))
