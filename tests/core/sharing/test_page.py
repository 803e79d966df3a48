"""The shared page as a file: whole in itself, closed to every network, and true to the run whatever that is called."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_run import foreign_decoder, make_small_run

from core.models.imported.onnx_graph import sha256_of_file
from core.models.inference import Inference
from core.paths.saved_paths import path_file
from core.runs.directory import RunDirectory, RunError
from core.runs.imported import KEY, OnnxDecoder, OnnxModel, Pixels, Tensor, stored_form
from core.sharing import contents as page_contents
from core.sharing import decoder as page_decoding
from core.sharing.contents import PageChoice, ShareError, picture_sheets, read_contents
from core.sharing.decoder import Graph, Input
from core.sharing.page import make_page, write_page

HOSTILE = "</script><script>alert(1)</script><!--\"'&\n\u2028é"


class Elements(HTMLParser):
    """The elements of a page, and the text of its scripts and its style."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self._inside = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.texts.append("")
        self._inside = True

    def handle_endtag(self, tag: str) -> None:
        self._inside = False

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.texts[-1] += data

    def all(self, tag: str) -> list[tuple[dict[str, str | None], str]]:
        return [(one[1], text) for one, text in zip(self.tags, self.texts, strict=True) if one[0] == tag]

    def by_id(self, name: str) -> str:
        return next(
            text for (_, attributes), text in zip(self.tags, self.texts, strict=True) if attributes.get("id") == name
        )


def page_of(run: RunDirectory, **choice) -> Elements:
    """The page without its decoder, which takes a second to make."""
    return Elements(make_page(read_contents(run, PageChoice(decoder=False, **choice)), None))


def section(page: Elements, name: str) -> bytes:
    return gzip.decompress(base64.b64decode(page.by_id(f"data-{name}")))


def described(page: Elements) -> dict:
    return json.loads(page.by_id("run"))


def test_arrays_come_back_as_the_run_has_them(tmp_path: Path):
    run = make_small_run(tmp_path / "run")
    page = page_of(run)

    assert section(page, "latents") == run.read_embedding().tobytes()
    assert np.frombuffer(section(page, "indices"), "<i4").tolist() == run.read_probe().indices.tolist()
    values = np.frombuffer(section(page, "values"), "<f4").reshape(3, -1)
    np.testing.assert_array_equal(values[:2], run.read_probe().factors.T)
    assert [column["name"] for column in described(page)["columns"]] == ["size", "class", "split"]
    assert described(page)["paths"][0]["name"] == "one"
    assert described(page)["paths"][0]["frames"] == 7


def test_nothing_of_the_run_becomes_markup(tmp_path: Path):
    count = 12
    run = make_small_run(
        tmp_path / "run", count=count, classes=(HOSTILE, "b"), names=tuple(f"{HOSTILE}{i}" for i in range(count))
    )
    harmless = make_small_run(tmp_path / "plain", count=count, classes=("a", "b"), names=("c",) * count)
    plain = page_of(harmless, notes="d")
    page = page_of(run, title=HOSTILE, notes=HOSTILE)

    assert [tag for tag, _ in page.tags if tag != "p"] == [tag for tag, _ in plain.tags if tag != "p"]
    assert described(page)["columns"][1]["categories"] == [HOSTILE, "b"]
    assert json.loads(section(page, "names"))[3] == f"{HOSTILE}3"
    assert page.all("h1")[0][1].startswith("</script><script>")


def test_the_policy_allows_no_request_and_only_this_script_and_style(tmp_path: Path):
    page = page_of(make_small_run(tmp_path / "run"))
    policy = next(a["content"] for a, _ in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None

    def checksum(text: str) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    (style,) = (text for _, text in page.all("style"))
    (script,) = (text for attributes, text in page.all("script") if "type" not in attributes)
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": f"{checksum(script)} 'wasm-unsafe-eval'",
        "style-src": checksum(style),
        "worker-src": "blob:",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    links = [
        value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href", "style")
    ]
    assert links == ["data:,"]  # else a server would be asked for an icon


def test_the_runtime_is_the_one_that_its_description_names():
    folder = files("resources") / "share"
    described = json.loads((folder / "runtime.json").read_text())
    assert set(described["sha256"]) == {"ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm"}
    for name, checksum in described["sha256"].items():
        assert hashlib.sha256(gzip.decompress((folder / f"{name}.gz").read_bytes())).hexdigest() == checksum
    assert "MIT License" in (folder / "LICENSE").read_text()


def test_what_a_person_leaves_out_is_not_in_the_page(tmp_path: Path):
    names = tuple(f"secret-{i}.png" for i in range(60))
    run = make_small_run(tmp_path / "run", names=names, weights=False)
    whole, bare = page_of(run), page_of(run, pictures=False, names=False)

    ids = [attributes.get("id") for _, attributes in whole.tags]
    assert {"data-names", "data-sheet-0", "nearest-picture"} <= set(ids)
    left = {str(attributes.get("id")) for _, attributes in bare.tags}
    assert not {"data-names", "data-sheet-0", "nearest-picture", "data-decoder", "data-runtime"} & left
    assert described(bare)["pictures"] is None


@pytest.mark.parametrize("dim", [1, 2, 3, 5, 64])
def test_every_number_of_dimensions_has_its_components(tmp_path: Path, dim: int):
    run = make_small_run(tmp_path / "run", dim=dim, weights=False)
    page = described(page_of(run))
    assert page["latentDim"] == dim
    basis = np.array(page["components"]["basis"])
    np.testing.assert_allclose(basis @ basis.T, np.eye(min(dim, 3)), atol=1e-9)


def test_a_run_without_labels_can_be_coloured_by_its_split(tmp_path: Path):
    page = described(page_of(make_small_run(tmp_path / "run", labelled=False, weights=False)))
    assert [column["name"] for column in page["columns"]] == ["split"]


def test_what_a_run_has_not_is_not_made_up(tmp_path: Path):
    run = make_small_run(tmp_path / "run", labelled=False, weights=False)
    probe = run.read_probe()
    run.write_probe(replace(probe, thumbnails=np.zeros_like(probe.thumbnails), split=np.zeros_like(probe.split)))
    page = page_of(run)
    assert described(page)["columns"] == [], "all samples are on one side of the split"
    assert described(page)["firstColumn"] == -1
    assert described(page)["pictures"] is None


def test_what_is_not_shown_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page_contents, "MOST_POINTS", 20)
    run = make_small_run(tmp_path / "run", metadata={"dataset": {"samples": 90_000}})
    path_file(run.path, "broken").write_text("{")
    (run.path / "paths" / "other.json").write_text(
        (run.path / "paths" / "one.json").read_text().replace('"one"', '"other"')
    )

    made = read_contents(run, PageChoice())

    assert len(made.latents) == 20
    said = " ".join(made.remarks)
    for part in ("60 of its 90,000 samples", "20 of 60 samples"):
        assert part in said
    assert [saved.name for saved in made.paths] == ["one", "other"]
    (unreadable,) = made.unreadable
    assert "broken.json is no saved path: it is not valid JSON" in unreadable


def test_very_many_dimensions_leave_room_for_fewer_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(page_contents, "MOST_NUMBERS", 400)
    made = read_contents(make_small_run(tmp_path / "run", dim=40, weights=False), PageChoice())
    assert made.latents.shape == (10, 40)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_lie_in_sheets_where_the_page_looks_for_them(channels: int):
    levels = np.random.default_rng(0).integers(0, 255, (4100, 1, 1, channels), dtype=np.uint8)
    sheets, quality = picture_sheets(np.tile(levels, (1, 32, 32, 1)))
    assert len(sheets) == 2
    assert quality == 90
    for sample in (0, 63, 64, 4095, 4096, 4099):
        sheet = np.asarray(Image.open(io.BytesIO(sheets[sample // 4096])))
        across = min(64, sheet.shape[1] // 32)
        row, column = divmod(sample % 4096, across)
        middle = sheet[row * 32 + 16, column * 32 + 16].astype(int)
        assert np.abs(middle - levels[sample, 0, 0]).max() <= 12  # WebP is lossy


def test_many_pictures_are_stored_at_a_lower_quality(monkeypatch: pytest.MonkeyPatch):
    noise = np.random.default_rng(0).integers(0, 255, (64, 32, 32, 1), dtype=np.uint8)
    monkeypatch.setattr(page_contents, "PICTURE_BYTES", 30_000)
    sheets, quality = picture_sheets(noise)
    assert quality < 90
    assert len(sheets[0]) <= 30_000


def test_a_run_without_means_and_a_wrong_file_are_refused(tmp_path: Path):
    run = make_small_run(tmp_path / "run", weights=False)
    with pytest.raises(ShareError, match=r"page\.pdf; the name of a page ends in \.html"):
        write_page(run.path, tmp_path / "page.pdf", PageChoice())
    with pytest.raises(ShareError, match="cannot be written"):
        write_page(run.path, tmp_path / "missing" / "page.html", PageChoice(decoder=False))
    run.embedding_path(None).unlink()
    with pytest.raises(RunError, match="no latent means; they are recorded"):
        write_page(run.path, tmp_path / "page.html", PageChoice())
    assert not (tmp_path / "page.html").exists()


def test_the_page_says_how_it_was_made(tmp_path: Path):
    run = make_small_run(tmp_path / "run", weights=False)
    text = make_page(read_contents(run, PageChoice(title="Shapes", notes="First.\n\nSecond.")), None)
    assert "<title>Shapes · Isoline</title>" in text
    assert re.findall(r'<p class="note">(.*)</p>', text) == ["First.", "Second."]
    assert "Made with Isoline" in text
    assert "compact network, d = 3" in text


class Drawn(Inference):
    """Draws what the page draws."""

    latent_dim, image_size, channels, precision = 2, 8, 3, "float32"

    def decode(self, z: np.ndarray) -> np.ndarray:
        return page_decoding.shown_images(foreign_decoder(), GRAPH, z).astype(np.uint8)

    def encode(self, images: np.ndarray) -> np.ndarray:
        raise NotImplementedError


INPUTS = Input("code", (2, 1)), Input("temperature", (1,), value=0.5), Input("label", (1,), "int64", 1.0)
GRAPH = Graph(INPUTS, "picture", 5, 7, 4, (28, 4, 1), 8, -2.0, 4.0)


def test_a_decoder_that_draws_other_images_or_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = make_small_run(tmp_path / "run", dim=2, weights=False)
    monkeypatch.setattr("core.training.opening.open_inference", lambda path, precision: (Drawn(), None))

    def made(graph: Graph):
        monkeypatch.setattr(page_decoding, "_own", lambda run: (foreign_decoder(), graph))
        return page_decoding.page_decoder(run, run.read_embedding(), lambda fraction: None)

    decoder = made(GRAPH)
    assert decoder is not None
    assert (decoder.checked, decoder.difference) == (16, 0)
    with pytest.raises(ShareError, match=r"grey levels from Isoline's.*--no-decoder"):
        made(replace(GRAPH, high=3.8))
    monkeypatch.setattr(page_decoding, "MOST_BYTES", 1000)
    with pytest.raises(ShareError, match=r"a page can hold 0 MB.*--no-decoder"):
        made(GRAPH)


def imported_run(folder: Path) -> RunDirectory:
    """The decoder of another make, as a run that has imported it."""
    run = make_small_run(folder, dim=2, weights=False)
    run.model_path.mkdir()
    file = run.model_path / "decoder.onnx"
    file.write_bytes(foreign_decoder())
    model = OnnxModel(
        decoder=OnnxDecoder(
            file=file.name,
            sha256=sha256_of_file(file),
            source="theirs.onnx",
            latent=Tensor(name="code", shape=(2, 1)),
            image=Tensor(name="picture", shape=(1, 4, 5, 7)),
            pixels=Pixels(axes="NCHW", height=5, width=7, channels=4, values="-2:4"),
            fixed=((Tensor(name="temperature", shape=(1,)), 0.5), (Tensor(name="label", shape=(1,), dtype="int64"), 1)),
        ),
    )
    data = replace(run.config.data, source="none", image_size=8, channels=3)
    config = replace(run.config, data=data, model=replace(run.config.model, native_size="8x8"))
    return run.rewrite(config, run.metadata | {KEY: stored_form(model)})


def test_an_imported_decoder_goes_into_the_page_as_it_is(tmp_path: Path):
    run = imported_run(tmp_path / "run")
    decoder = page_decoding.page_decoder(run, run.read_embedding(), lambda fraction: None)
    assert decoder is not None
    assert decoder.difference == 0
    assert decoder.graph == replace(GRAPH, strides=(7, 1, 35))
    assert "ONNX, imported, d = 2" in make_page(read_contents(run, PageChoice()), None)


def test_an_imported_decoder_that_no_page_can_use_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    run = imported_run(tmp_path / "run")
    monkeypatch.setattr(page_decoding, "TYPES", ("float32", "bool"))
    with pytest.raises(ShareError, match=r"takes label as int64; a page can give it float32, bool\."):
        page_decoding.page_decoder(run, run.read_embedding(), lambda fraction: None)
    monkeypatch.setattr(page_decoding, "MOST_BYTES", 1000)
    with pytest.raises(ShareError, match="a page can hold 0 MB"):
        page_decoding.page_decoder(run, np.zeros((2, 2)), lambda fraction: None)


def test_attributes_of_a_file_colour_the_points_as_labels_do(tmp_path: Path):
    run = make_small_run(tmp_path / "run", count=4, weights=False)
    file = tmp_path / "attributes.npz"
    np.savez(file, area=np.array([1, 2, 3, 4]), kind=np.array(["owl", "", "ant", "owl"]))
    page = page_of(run, attributes=file, color_by="kind")
    names = [column["name"] for column in described(page)["columns"]]
    assert names == ["size", "class", "area", "kind", "split"]
    assert described(page)["firstColumn"] == 3
    assert described(page)["columns"][3]["categories"] == ["ant", "owl"]
    values = np.frombuffer(section(page, "values"), "<f4").reshape(5, 4)
    np.testing.assert_array_equal(values[2:4], [[1, 2, 3, 4], [1, np.nan, 0, 1]])
    assert described(page_of(run, color_by="none"))["firstColumn"] == -1
    with pytest.raises(ShareError, match="color_by is 'kind'; this page has size, class, split, none"):
        page_of(run, color_by="kind")


def test_a_file_of_attributes_that_does_not_fit_is_refused(tmp_path: Path):
    run = make_small_run(tmp_path / "run", count=4, weights=False)
    file = tmp_path / "attributes.npz"
    single = io.BytesIO()
    np.save(single, np.zeros(4))
    for write, message in (
        (lambda: np.savez(file, area=np.zeros(3)), r"area is float64 \(3,\); it must be numbers or texts \(4,\)"),
        (lambda: np.savez(file, area=np.array([None] * 4)), "is not an .npz file of arrays"),
        (lambda: file.write_bytes(b"PK\3\4 nothing"), "is not an .npz file of arrays"),
        (lambda: file.write_bytes(single.getvalue()), "is not an .npz file of arrays"),
        (file.unlink, "cannot be read"),
    ):
        write()
        with pytest.raises(ShareError, match=message):
            page_of(run, attributes=file)
