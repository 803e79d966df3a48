"""The page itself: one HTML file that opens by a double click and asks nothing of any network.

Its policy (the meta element ``Content-Security-Policy``) forbids every request, and every script and style but the
page's own, which it names by their checksums. Arrays are written as base64, compressed where that helps. Whatever comes
from the run is data: JSON in which no letter can end the element, or text that Jinja escapes.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from core.rendering.class_colours import MOST, class_colours
from core.rendering.colormaps import MISSING, lut
from core.rendering.themes import DARK, LIGHT, Theme
from core.reporting.page import environment
from core.runs.directory import RunDirectory
from core.sharing.contents import (
    CURVE_POINTS,
    NO_COLOR,
    SHEET_ACROSS,
    Contents,
    PageChoice,
    ShareError,
    described,
    read_contents,
)
from core.sharing.decoder import PageDecoder, page_decoder
from core.utils.atomic_write import write_atomic

SCRIPTS = ("data", "camera", "points", "axes", "cloud", "decoder", "samples", "colouring", "probe", "paths", "main")
COLORMAP = "viridis"
NO_DECODER = "the model has no decoder; the page shows the sample nearest to the probe in place of an image."
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Page:
    """A page that was written: ``size`` in bytes, and ``remarks``, what a person should know about it."""

    path: Path
    size: int
    remarks: tuple[str, ...]


def write_page(run: Path, out: Path, choice: PageChoice, progress: Progress | None = None) -> Page:
    """Write the page of the run in folder ``run`` to ``out``, whole or not at all.

    Raises ``ShareError`` where that cannot be, ``RunError`` or ``CheckpointError`` for files of the run that cannot be
    used.
    """
    report = progress or (lambda fraction: None)
    if out.suffix.lower() not in (".html", ".htm"):
        raise ShareError(f"--out is {out}; the name of a page ends in .html.")
    directory = RunDirectory.open(run)
    contents = read_contents(directory, choice)
    report(0.2)
    decoder = None
    if choice.decoder:
        decoder = page_decoder(directory, contents.latents, lambda fraction: report(0.2 + 0.6 * fraction))
    report(0.8)
    data = make_page(contents, decoder).encode()
    report(0.95)
    try:
        write_atomic(out, data)
    except OSError as error:
        raise ShareError(f"{out} cannot be written ({error.strerror or error}); choose another file.") from error
    report(1.0)
    without = (NO_DECODER,) if choice.decoder and decoder is None else ()
    return Page(out, len(data), (*without, *contents.unreadable))


def make_page(contents: Contents, decoder: PageDecoder | None) -> str:
    """The text of the page of ``contents``; without ``decoder`` it shows recorded samples in place of images."""
    script = "(() => {\n'use strict';\n" + "\n".join(_asset(f"scripts/{name}.js") for name in SCRIPTS) + "})();\n"
    style = _themes() + _asset("page.css")
    policy = (
        f"default-src 'none'; script-src '{_checksum(script)}' 'wasm-unsafe-eval'; worker-src blob:; "
        f"style-src '{_checksum(style)}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    return environment.get_template("sharing/page.html").render(
        contents=contents,
        decoder=decoder,
        policy=Markup(policy),  # quotes stay quotes: nothing of it comes from the run
        style=Markup(style),
        script=Markup(script),
        run=Markup(_json(_description(contents, decoder))),
        sections=_sections(contents, decoder),
        runtime=_runtime(),
        licence=_resource("LICENSE").decode(),
    )


def _description(contents: Contents, decoder: PageDecoder | None) -> dict[str, Any]:
    count, dims = contents.latents.shape
    columns = []
    for column in contents.columns:
        known = column.values[np.isfinite(column.values)]
        ends = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        columns.append(
            {"name": column.name, "categories": column.categories or None, "low": ends[0], "high": ends[1]}
        )  # fmt: skip
    azimuth, elevation = contents.home
    return {
        "count": count,
        "latentDim": dims,
        "columns": columns,
        "firstColumn": _first_column(contents),
        "components": {"basis": contents.basis.tolist(), "mean": contents.mean.tolist()},
        "home": {"azimuth": azimuth, "elevation": elevation},
        "pictures": {"size": contents.picture_size, "across": min(SHEET_ACROSS, count), "perSheet": SHEET_ACROSS**2}
        if contents.sheets
        else None,
        "missing": list(MISSING),
        "palettes": {theme.name: _palette(theme, contents) for theme in (DARK, LIGHT)},
        "curvePoints": CURVE_POINTS,
        "paths": _path_descriptions(contents),
        "decoder": None if decoder is None else asdict(decoder.graph),
    }


def _first_column(contents: Contents) -> int:
    """What colours at first, as a place in the columns; -1 for nothing."""
    names = [column.name for column in contents.columns]
    if contents.color_by in names:
        return names.index(contents.color_by)
    return 0 if names and contents.color_by != NO_COLOR else -1


def _path_descriptions(contents: Contents) -> list[dict[str, Any]]:
    firsts = np.cumsum([0, *(saved.frames for saved in contents.paths)])
    return [
        {
            "name": saved.name,
            "description": described(saved),
            "frames": saved.frames,
            "first": int(first),
            "closed": saved.path.closed,
        }
        for saved, first in zip(contents.paths, firsts, strict=False)  # one more: where the next would begin
    ]


def _sections(contents: Contents, decoder: PageDecoder | None) -> list[tuple[str, str, str]]:
    """Name, base64 and packing of each section of data."""
    packed: dict[str, bytes] = {
        "latents": contents.latents.astype("<f4").tobytes(),
        "values": b"".join(column.values.astype("<f4").tobytes() for column in contents.columns),
        "indices": contents.indices.astype("<i4").tobytes(),
    }
    if contents.names:
        packed["names"] = json.dumps(contents.names).encode()
    if contents.paths:
        packed["path-latents"] = np.concatenate([saved.latents for saved in contents.paths]).astype("<f4").tobytes()
        curves = [saved.path.sample(CURVE_POINTS) for saved in contents.paths]
        packed["path-curves"] = np.concatenate(curves).astype("<f4").tobytes()
    if decoder is not None:
        packed["decoder"] = decoder.content
        packed["program"] = (_runtime_program() + _asset("scripts/worker.js")).encode()
    sections = [(name, gzip.compress(data, 9, mtime=0), "gzip") for name, data in packed.items()]
    if decoder is not None:
        sections.append(("runtime", _resource("ort-wasm-simd-threaded.wasm.gz"), "gzip"))
    sections += [(f"sheet-{number}", sheet, "none") for number, sheet in enumerate(contents.sheets)]
    return [(name, base64.b64encode(data).decode("ascii"), packing) for name, data, packing in sections]


def _palette(theme: Theme, contents: Contents) -> dict[str, Any]:
    """Colours as red, green, blue, for the points; for canvases as CSS writes them."""
    most = max((len(column.categories) for column in contents.columns), default=0)
    return {
        "map": lut(COLORMAP, theme.plot)[:, :3].tolist(),
        "classes": class_colours(min(max(most, 1), MOST), theme.plot)[:, :3].tolist(),
        "plain": list(bytes.fromhex(theme.accent[1:])),
        "canvas": {
            "plot": list(bytes.fromhex(theme.plot[1:])),
            "halo": theme.plot,
            "grid": theme.grid,
            "text": theme.text,
            "muted": theme.muted,
            "accent": theme.accent,
        },
    }


def _runtime_program() -> str:
    """ONNX Runtime Web as a script that defines ``ort``: a worker made of a blob may not import a module from a file.

    What the bundle says of itself by ``import.meta.url`` is the worker's own address; nothing is fetched from there.
    """
    bundle = gzip.decompress(_resource("ort.wasm.bundle.min.mjs.gz")).decode()
    parts = re.fullmatch(r"(.*)export\{([^{}]*)\};\s*(?://[^\n]*)?\s*", bundle, re.DOTALL)
    if parts is None:
        raise ShareError("resources/share holds another bundle of ONNX Runtime Web than this version of Isoline knows.")
    body, exported = parts.groups()
    members = ",".join(f"{name}:{local}" for local, name in (pair.split(" as ") for pair in exported.split(",")))
    return f"const ort=(()=>{{{body.replace('import.meta.url', 'self.location.href')}return{{{members}}}}})();\n"


def _json(value: object) -> str:
    """JSON for a script element: no letter in it begins markup, and it is ASCII."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _checksum(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode('ascii')}"


def _themes() -> str:
    """The colours of both themes as variables of CSS: the reader's choice, else what the system prefers."""
    names = ("window", "surface", "raised", "border", "text", "muted", "accent", "accent_text", "plot", "ground")
    light, dark = (
        f"color-scheme: {theme.name}; "
        + " ".join(f"--{name.replace('_', '-')}: {getattr(theme, name)};" for name in names)
        for theme in (LIGHT, DARK)
    )
    return (
        f":root {{ {light} }}\n@media (prefers-color-scheme: dark) {{ :root:not([data-theme=light]) {{ {dark} }} }}\n"
        f":root[data-theme=dark] {{ {dark} }}\n"
    )


def _asset(name: str) -> str:
    return (files("core") / "sharing" / name).read_text(encoding="utf-8")


def _resource(name: str) -> bytes:
    return (files("resources") / "share" / name).read_bytes()


def _runtime() -> dict[str, Any]:
    return json.loads(_resource("runtime.json"))
