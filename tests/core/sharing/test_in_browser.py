"""The shared page in a real browser, opened as a file: it decodes what the engine decodes, and asks for nothing."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from small_run import foreign_decoder, make_small_run

from core.models.inference import decode_images
from core.runs.directory import RunDirectory
from core.sharing.contents import PageChoice, read_contents
from core.sharing.decoder import Graph, Input, PageDecoder, shown_images
from core.sharing.page import make_page, write_page
from core.training.opening import open_inference

SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import _chromium
finally:
    sys.path.remove(str(SCRIPTS))

pytestmark = pytest.mark.skipif(
    _chromium.executable() is None, reason="Chromium is not installed; scripts/test.py installs it on Debian"
)
HOSTILE = "</script><img src=x onerror=alert(1)>\"'\n&"


class Opened:
    """A page in the browser, and all that it asked for, complained about or failed at."""

    def __init__(self, browser: Any, address: str, before: str = "", **context: Any) -> None:
        """``before``: a script that runs before the page's own."""
        self.context = browser.new_context(**{"viewport": {"width": 1100, "height": 700}, **context})
        self.page = self.context.new_page()
        self.page.add_init_script(before)
        self.requests: list[str] = []
        self.errors: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.errors.append(message.text))
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog {dialog.message}"))
        self.page.goto(address)
        self.until("document.documentElement.dataset.page")

    def until(self, condition: str) -> None:
        """Wait until the expression is true. The page's policy forbids what Playwright would wait with."""
        deadline = time.monotonic() + 300.0
        while not self.page.evaluate(f"Boolean({condition})"):
            assert time.monotonic() < deadline, f"{condition} never came true; {self.errors}"
            time.sleep(0.02)

    def value(self, expression: str) -> Any:
        return self.page.evaluate(expression)

    def text(self, selector: str) -> str:
        return self.page.inner_text(selector)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with _chromium.browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    count = 60
    names = tuple(f"{HOSTILE}{i}.png" for i in range(count))
    return make_small_run(tmp_path_factory.mktemp("shared") / "run", names=names, classes=(HOSTILE, "dog", "owl"))


@pytest.fixture(scope="module")
def file(run: RunDirectory) -> Path:
    return write_page(run.path, run.path.parent / "page.html", PageChoice(title=HOSTILE, notes=HOSTILE)).path


@pytest.fixture(scope="module")
def opened(browser: Any, file: Path) -> Iterator[Opened]:
    page = Opened(browser, file.as_uri())
    yield page
    page.context.close()


def test_it_decodes_as_the_engine_does(opened: Opened, run: RunDirectory):
    z = run.read_embedding()[:4]
    own = decode_images(open_inference(run.path)[0], z)
    for point, image in zip(z, own, strict=True):
        pixels = opened.value(f"isoline.decode({point.tolist()}).then(({{pixels}}) => Array.from(pixels))")
        shown = np.array(pixels, np.int16).reshape(32, 32, 4)
        assert np.abs(shown[..., :3] - image.astype(np.int16)).max() <= 2
        assert (shown[..., 3] == 255).all()


def test_a_click_a_drag_and_the_keys_move_the_probe(opened: Opened, run: RunDirectory):
    page, means = opened.page, run.read_embedding()
    opened.value("isoline.cloud.home()")
    place = "isoline.cloud.place(isoline.samples.latent({}))"
    box = page.locator("#stage").bounding_box()
    places = [opened.value(place.format(sample)) for sample in range(60)]
    pixels = np.array(places)[:, :2]
    apart = np.linalg.norm(pixels[:, None] - pixels, axis=2) + 1e9 * np.eye(60)
    sample = int(apart.min(axis=1).argmax())  # nothing is drawn near it
    x, y, _ = places[sample]
    page.mouse.click(box["x"] + x, box["y"] + y)
    assert opened.value("[...isoline.probe.z]") == means[sample].tolist()
    assert opened.text("#nearest-name").startswith("</script><img src=x")
    assert opened.text("#facts").split("\n")[1] == f"{run.read_probe().factors[sample, 0]:.4g}"

    page.mouse.move(box["x"] + x, box["y"] + y)  # the probe is there now
    page.mouse.down()
    page.mouse.move(box["x"] + x + 40, box["y"] + y, steps=3)
    page.mouse.up()
    moved = opened.value("isoline.cloud.place(isoline.probe.z)")
    assert moved[:2] == pytest.approx([x + 40, y], abs=0.5)

    page.locator("#stage").focus()
    azimuth = opened.value("isoline.cloud.camera.azimuth")
    page.keyboard.press("ArrowRight")
    assert opened.value("isoline.cloud.camera.azimuth") != azimuth
    before = opened.value("isoline.cloud.place(isoline.probe.z)")
    page.keyboard.press("Shift+ArrowUp")
    assert opened.value("isoline.cloud.place(isoline.probe.z)")[1] == pytest.approx(before[1] - 12, abs=0.5)
    page.keyboard.press("n")
    assert opened.value("[...isoline.probe.z]") in means.tolist()
    shown = opened.value("isoline.probe.shown && 1")
    assert shown == 1


def test_a_slider_moves_one_dimension(opened: Opened):
    page = opened.page
    before = opened.value("[...isoline.probe.z]")
    page.locator("#z-1").focus()
    page.keyboard.press("ArrowRight")
    after = opened.value("[...isoline.probe.z]")
    assert after[1] > before[1]
    assert [after[0], after[2]] == [before[0], before[2]]


def test_a_class_is_hidden_and_shown_alone(opened: Opened):
    page = opened.page
    page.select_option("#colour-by", "1")
    classes = page.locator("#legend .class")
    assert [text.split("\n")[-1] for text in classes.all_inner_texts()] == ["20", "20", "19", "1"]
    classes.nth(1).click()
    assert classes.nth(1).get_attribute("aria-pressed") == "false"
    assert opened.value("isoline.cloud.points.visible.reduce((sum, one) => sum + one, 0)") == 40
    classes.nth(3).click(modifiers=["Alt"])  # those whose class is unknown
    assert opened.value("[...isoline.cloud.points.visible].indexOf(1)") == 59
    page.locator("#stage").focus()
    page.keyboard.press("n")  # the next one that is shown
    assert opened.value("isoline.probe.sample") == 59
    page.get_by_text("Show all").click()
    assert opened.value("isoline.cloud.points.visible.reduce((sum, one) => sum + one, 0)") == 60


def test_the_saved_path_is_shown_and_played(opened: Opened, run: RunDirectory):
    page = opened.page
    opened.until("isoline.paths.cache.size === 7")
    assert page.locator("#strip .frame").count() == 7
    assert opened.value("document.querySelector('#strip canvas').style.imageRendering") == "pixelated"  # as the image
    page.locator("#strip .frame").nth(3).click()
    assert opened.text("#seek-place") == "4 / 7"
    page.click("#play")
    opened.until("isoline.paths.frame !== 3")
    page.click("#play")
    assert opened.value("isoline.paths.playing") is False


def test_the_reader_chooses_the_theme(opened: Opened):
    page = opened.page
    ground = "getComputedStyle(document.body).backgroundColor"
    page.emulate_media(color_scheme="dark")
    dark = opened.value(ground)
    page.click("[data-choose-theme=light]")
    assert opened.value(ground) != dark
    page.click("[data-choose-theme=auto]")
    assert opened.value(ground) == dark


def test_every_control_has_a_name(opened: Opened):
    unnamed = """[...document.querySelectorAll("button, select, input, [role=img], [tabindex]")].filter((element) =>
      !element.hidden && !(element.getAttribute("aria-label") || element.innerText.trim() || element.labels?.length))
      .map((element) => element.outerHTML)"""
    assert opened.value(unnamed) == []


def test_it_asks_for_nothing_and_complains_about_nothing(opened: Opened, file: Path):
    asked = [url for url in opened.requests if url != file.as_uri()]
    assert all(url.startswith("blob:") for url in asked), asked  # the worker is made of what the page holds
    refused = opened.value("fetch('https://example.com/').then(() => 'sent', () => 'refused')")
    assert refused == "refused"
    assert all("Content Security Policy" in error for error in opened.errors), opened.errors
    opened.errors.clear()


def test_it_works_from_a_server_and_on_a_telephone(browser: Any, file: Path):
    handler = partial(SimpleHTTPRequestHandler, directory=str(file.parent))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}/page.html"
        try:
            telephone = Opened(browser, address, viewport={"width": 390, "height": 844}, has_touch=True)
            place = telephone.value("isoline.cloud.place(isoline.samples.latent(5))")
            box = telephone.page.locator("#stage").bounding_box()
            telephone.page.touchscreen.tap(box["x"] + place[0], box["y"] + place[1])
            assert telephone.value("isoline.probe.sample") == telephone.value(
                f"isoline.cloud.pick({place[0]}, {place[1]}, 24)"
            )
            azimuth, distance = telephone.value("[isoline.cloud.camera.azimuth, isoline.cloud.camera.distance]")
            touches = telephone.context.new_cdp_session(telephone.page)

            def touch(kind: str, *places: tuple[float, float]) -> None:
                points = [{"x": box["x"] + x, "y": box["y"] + y, "id": i} for i, (x, y) in enumerate(places)]
                touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

            for first, last in ([(350, 40)], [(270, 40)]), ([(150, 300), (200, 300)], [(100, 300), (250, 300)]):
                touch("touchStart", *first)
                touch("touchMove", *last)
                touch("touchEnd")
            assert telephone.value("isoline.cloud.camera.azimuth") == pytest.approx(azimuth + 32.0)
            assert telephone.value("isoline.cloud.camera.distance") == pytest.approx(distance / 3.0, rel=0.01)
            assert telephone.value("document.documentElement.scrollWidth") <= 390
            assert telephone.value("document.documentElement.dataset.decoder") == "ready"
            assert [url for url in telephone.requests if not url.startswith("blob:")] == [address]
            assert telephone.errors == []
            telephone.context.close()
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(("dim", "channels"), [(1, 1), (2, 3), (5, 3)])
def test_other_numbers_of_dimensions_and_no_decoder(browser: Any, tmp_path: Path, dim: int, channels: int):
    run = make_small_run(tmp_path / "run", dim=dim, channels=channels, labelled=False)
    choice = PageChoice(decoder=False, pictures=dim > 1)
    opened = Opened(browser, write_page(run.path, tmp_path / "page.html", choice).path.as_uri())
    assert opened.page.locator("#strip").is_visible() is choice.pictures, "without any picture there is none to show"
    assert opened.page.locator("#seek").is_visible()
    assert opened.value("isoline.cloud.projection.dims") == min(dim, 3)
    assert opened.value("isoline.cloud.camera.flat") is (dim < 3)
    assert opened.page.locator("#sliders input").count() == dim
    assert "no decoder" in opened.text("#image-state")
    if dim > 3:
        opened.page.select_option("#axes-kind", "dimensions")
        opened.page.select_option("#axis-0", "4")
        assert opened.value("isoline.cloud.projection.labels") == ["μ₅", "μ₂", "μ₃"]
        opened.page.select_option("#axis-1", "4")
        assert opened.value("isoline.cloud.projection.labels") == ["μ₂", "μ₅", "μ₃"]
    opened.page.locator("#stage").focus()
    opened.page.keyboard.press("n")
    assert opened.value("isoline.probe.sample") == 1
    assert opened.errors == []
    opened.context.close()


@pytest.mark.parametrize(
    "description",
    [
        {"strides": (28, 4, 1), "low": -2.0, "high": 4.0, "side": 9},
        {"strides": (7, 1, 35), "logits": True, "reduction": 2, "side": 8},
    ],
)
def test_a_decoder_of_another_make_is_shown_as_its_description_says(browser: Any, tmp_path: Path, description: dict):
    inputs = (Input("code", (2, 1)), Input("temperature", (1,), value=0.5), Input("label", (1,), "int64", 1.0))
    graph = Graph(inputs, "picture", 5, 7, 4, **description)
    run = make_small_run(tmp_path / "run", dim=2, weights=False)
    decoder = PageDecoder(foreign_decoder(), graph, 0, 1)
    file = tmp_path / "page.html"
    file.write_text(make_page(read_contents(run, PageChoice()), decoder), encoding="utf-8")
    z = run.read_embedding()[:3]
    wanted = shown_images(decoder.content, graph, z)
    assert wanted.std() > 30, "a constant image would prove nothing"

    opened = Opened(browser, file.as_uri())
    for point, image in zip(z, wanted, strict=True):
        pixels = opened.value(f"isoline.decode({point.tolist()}).then(({{pixels}}) => Array.from(pixels))")
        shown = np.array(pixels, np.int16).reshape(graph.side, graph.side, 4)
        assert np.abs(shown[..., :3] - image).max() <= 1
    opened.context.close()


def test_what_a_browser_cannot_do_is_said_and_the_rest_works(browser: Any, tmp_path: Path):
    run = make_small_run(tmp_path / "run", dim=2)
    graph = Graph((Input("z", (1, 2)),), "images", 32, 32, 1, (32, 1, 1024), 32)
    file = tmp_path / "page.html"
    decoder = PageDecoder(b"no ONNX file", graph, 0, 1)
    file.write_text(make_page(read_contents(run, PageChoice()), decoder), encoding="utf-8")
    without_webgl = (
        "HTMLCanvasElement.prototype.getContext = ((own) => function (kind, ...rest) {"
        " return kind === 'webgl2' ? null : own.call(this, kind, ...rest); })(HTMLCanvasElement.prototype.getContext)"
    )

    opened = Opened(browser, file.as_uri(), before=without_webgl)
    assert "offers no WebGL 2" in opened.text("#cloud-problem")
    assert opened.text("#image-state").startswith("The decoder cannot run in this browser: ")
    assert not opened.page.locator("#image").is_visible()
    assert opened.text("#frames-note").startswith("Without a decoder")
    opened.page.locator("#strip .frame").nth(6).click()
    assert opened.text("#seek-place") == "7 / 7"
    assert opened.text("#nearest-name")
    assert opened.errors == []
    opened.context.close()
