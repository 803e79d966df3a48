// The probe: a place in latent space, its image, its sliders, and the nearest sample.

const MOST_SLIDERS = 64;

class Probe {
  constructor(samples, cloud) {
    this.samples = samples;
    this.cloud = cloud;
    this.z = Float32Array.from(samples.latent(0));
    this.image = document.getElementById("image");
    this.state = document.getElementById("image-state");
    this.picture = document.getElementById("nearest-picture");
    this.makeSliders();
    this.fitImage();
    window.addEventListener("resize", () => this.fitImage());
  }

  /** Whole multiples of the image's pixels where it has room for them, so that each is drawn alike. */
  fitImage() {
    if (!this.image) return;
    const { side } = run.decoder,
      frame = this.image.parentElement;
    const room = Math.min(frame.clientWidth - 16, Math.max(120, 0.36 * window.innerHeight));
    const times = Math.floor(room / side);
    this.image.style.width = `${times ? times * side : room}px`;
    this.image.style.imageRendering = times ? "pixelated" : "auto";
  }

  makeSliders() {
    const { latents } = this.samples,
      d = run.latentDim,
      box = document.getElementById("sliders");
    this.sliders = [];
    for (let i = 0; i < Math.min(d, MOST_SLIDERS); i++) {
      let low = Infinity,
        high = -Infinity;
      for (let k = i; k < latents.length; k += d) {
        if (latents[k] < low) low = latents[k];
        if (latents[k] > high) high = latents[k];
      }
      const room = 0.1 * (high - low) || 1;
      const range = make("input", {
        type: "range",
        id: `z-${i}`,
        min: low - room,
        max: high + room,
        step: "any",
        "aria-label": `Latent dimension ${i + 1}`,
      });
      const number = make("output", { for: `z-${i}`, title: `The probe's place in latent dimension ${i + 1}` });
      range.addEventListener("input", () => {
        const z = Float32Array.from(this.z);
        z[i] = Number(range.value);
        this.move(z);
      });
      range.addEventListener("keydown", (event) => this.onKey(event, range, (high - low + 2 * room) / 100));
      this.sliders.push({ range, number });
      box.append(make("label", { for: `z-${i}` }, axisName(i)), range, number);
    }
    if (d > MOST_SLIDERS) {
      document.getElementById("sliders-note").textContent =
        `${grouped(d - MOST_SLIDERS)} more dimensions follow the chosen sample and have no slider.`;
    }
  }

  /** A slider without steps has no step for the keys either: a hundredth of its range. */
  onKey(event, range, step) {
    const sign = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key];
    if (!sign) return;
    event.preventDefault();
    range.value = Number(range.value) + sign * step;
    range.dispatchEvent(new Event("input"));
  }

  choose(sample) {
    this.move(this.samples.latent(sample), sample);
    document.getElementById("announcement").textContent = `${this.samples.name(sample)} chosen`;
  }

  /** Go to `z`; `sample` is the one that lies there, `shown` an image that is already known. */
  move(z, sample = -1, shown = null) {
    this.z = Float32Array.from(z);
    this.cloud.setProbe(this.z, sample);
    this.sliders.forEach(({ range, number }, i) => {
      range.value = this.z[i];
      number.textContent = figure(this.z[i]);
      range.setAttribute("aria-valuetext", number.textContent);
    });
    const [nearest, distance] = sample >= 0 ? [sample, 0] : this.samples.nearest(this.z);
    this.showSample(nearest, distance);
    if (shown) this.show(shown);
    else this.decode();
  }

  async decode() {
    if (!this.decoder) return;
    try {
      const image = await this.decoder.probe(this.z);
      if (image) this.show(image);
    } catch (error) {
      this.state.textContent = `The decoder failed: ${error.message}`;
    }
  }

  show({ pixels, milliseconds }) {
    this.image.getContext("2d").putImageData(new ImageData(pixels, run.decoder.side), 0, 0);
    this.image.hidden = false;
    this.image.setAttribute("aria-label", `Image decoded at ${[...this.z.subarray(0, 8)].map(figure).join(", ")}`);
    this.state.textContent = `Decoded in this page, ${Math.max(1, Math.round(milliseconds))} ms`;
    this.shown = pixels;
  }

  showSample(sample, distance) {
    const { samples } = this;
    this.sample = sample;
    document.getElementById("nearest-name").textContent = samples.name(sample);
    document.getElementById("nearest-distance").textContent = distance
      ? `at distance ${figure(distance)}`
      : "at the probe";
    const facts = document.getElementById("facts");
    facts.replaceChildren();
    run.columns.forEach((column, i) => {
      facts.append(make("dt", {}, column.name), make("dd", {}, samples.text(i, sample)));
    });
    if (run.pictures) {
      this.picture.setAttribute("aria-label", `Picture of ${samples.name(sample)}`);
      samples.draw(this.picture, sample);
    }
  }
}
