// The saved paths: one is shown as a curve in the cloud, as a strip, and played.

const FRAMES_A_SECOND = 16;
const CELL_PIXELS = 84;
const CACHE_BYTES = 160e6; // of decoded frames

class Paths {
  constructor(latents, curves, samples, cloud, probe) {
    Object.assign(this, { latents, curves, samples, cloud, probe });
    this.panel = document.getElementById("paths");
    this.strip = document.getElementById("strip");
    this.select = document.getElementById("path");
    this.play = document.getElementById("play");
    this.seek = document.getElementById("seek");
    this.place = document.getElementById("seek-place");
    run.paths.forEach((path, i) => this.select.append(make("option", { value: i }, path.name)));
    this.select.addEventListener("change", () => this.choose(Number(this.select.value)));
    this.play.addEventListener("click", () => this.setPlaying(!this.playing));
    this.seek.addEventListener("input", () => {
      this.setPlaying(false);
      this.go(Number(this.seek.value));
    });
    document.getElementById("path-shown").addEventListener("change", () => this.showCurve());
    document.getElementById("frames-note").hidden = Boolean(probe.decoder);
    this.strip.hidden = !probe.decoder && !run.pictures; // there is nothing to see in it
    this.choose(0);
  }

  latent(frame) {
    const d = run.latentDim,
      from = (this.path.first + frame) * d;
    return this.latents.subarray(from, from + d);
  }

  choose(number) {
    this.setPlaying(false);
    this.path = run.paths[number];
    this.number = number;
    this.frame = 0;
    this.cache = new Map();
    const { frames, description } = this.path;
    document.getElementById("path-description").textContent = description;
    this.seek.max = frames - 1;
    this.seek.value = 0;
    this.showCurve();
    this.fillStrip();
    this.showPlace();
  }

  showCurve() {
    const d = run.latentDim,
      size = run.curvePoints * d,
      shown = document.getElementById("path-shown").checked;
    this.cloud.setCurve(shown ? this.curves.subarray(this.number * size, (this.number + 1) * size) : null);
  }

  fillStrip() {
    const { frames } = this.path,
      room = Math.floor(this.strip.clientWidth / CELL_PIXELS),
      { number } = this;
    const cells = Math.min(frames, clamp(room, 6, 24));
    this.strip.replaceChildren();
    this.cells = Array.from({ length: cells }, (_, k) =>
      cells === 1 ? 0 : Math.round((k * (frames - 1)) / (cells - 1)),
    );
    this.cells.forEach((frame, k) => {
      const canvas = make("canvas", { "aria-hidden": "true" });
      const cell = make(
        "button",
        { type: "button", class: "frame", tabindex: k ? -1 : 0, "aria-label": `Frame ${frame + 1} of ${frames}` },
        canvas,
      );
      cell.addEventListener("click", () => {
        this.setPlaying(false);
        this.go(frame);
      });
      cell.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
        const next = step && this.strip.children[k + step];
        if (!next) return;
        event.preventDefault();
        next.focus();
        next.click();
      });
      this.strip.append(cell);
      this.fillCell(canvas, frame, number);
    });
  }

  async fillCell(canvas, frame, number) {
    const { decoder } = this.probe;
    if (decoder) {
      const image = await this.image(frame, () => this.number === number);
      if (!image) return;
      const { side } = run.decoder;
      canvas.width = canvas.height = Math.min(side, 2 * CELL_PIXELS);
      if (2 * side <= CELL_PIXELS) canvas.style.imageRendering = "pixelated"; // as the probe's image
      const size = { resizeWidth: canvas.width, resizeHeight: canvas.height, resizeQuality: "high" };
      const small = await createImageBitmap(new ImageData(image.pixels, side), size);
      canvas.getContext("2d").drawImage(small, 0, 0);
    } else if (run.pictures) {
      canvas.width = canvas.height = run.pictures.size;
      this.samples.draw(canvas, this.samples.nearest(this.latent(frame))[0]);
    }
  }

  /** The decoded frame, remembered for the next time; null if it is `wanted` no more, or cannot be had. */
  async image(frame, wanted) {
    const known = this.cache.get(frame);
    if (known) return known;
    const { cache } = this;
    try {
      const image = await this.probe.decoder.frame(this.latent(frame), wanted);
      if (image && cache.size * image.pixels.length < CACHE_BYTES) cache.set(frame, image);
      return image;
    } catch (error) {
      this.probe.state.textContent = `The decoder failed: ${error.message}`;
      return null;
    }
  }

  go(frame) {
    this.frame = frame;
    this.seek.value = frame;
    this.probe.move(this.latent(frame), -1, this.cache.get(frame) || null);
    this.showPlace();
  }

  showPlace() {
    const { frame } = this,
      { frames } = this.path;
    this.place.textContent = `${grouped(frame + 1)} / ${grouped(frames)}`;
    this.seek.setAttribute("aria-valuetext", `Frame ${frame + 1} of ${frames}`);
    const nearest = this.cells.reduce(
      (best, at, k) => (Math.abs(at - frame) < Math.abs(this.cells[best] - frame) ? k : best),
      0,
    );
    [...this.strip.children].forEach((cell, k) => cell.classList.toggle("current", k === nearest));
  }

  setPlaying(playing) {
    this.playing = playing;
    this.play.setAttribute("aria-label", playing ? "Pause" : "Play");
    this.play.classList.toggle("playing", playing);
    if (playing) this.run();
  }

  /** Play until paused, over and over; a frame that has to be decoded takes as long as that takes. */
  async run() {
    const { number } = this;
    if (this.frame === this.path.frames - 1 && !this.path.closed) this.go(0);
    while (this.playing && this.number === number) {
      const next = (this.frame + 1) % this.path.frames,
        due = performance.now() + 1000 / FRAMES_A_SECOND;
      if (this.probe.decoder) await this.image(next, () => this.playing);
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, due - performance.now())));
      if (this.playing && this.number === number) this.go(next);
    }
  }
}
