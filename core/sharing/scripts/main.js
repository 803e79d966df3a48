// Puts the page together: the cloud, which needs little, while the decoder starts, which takes a second.

const systemDark = matchMedia("(prefers-color-scheme: dark)");

/** "dark" or "light": what the reader has chosen, else what the system prefers. */
function theme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen === "dark" || chosen === "light" ? chosen : systemDark.matches ? "dark" : "light";
}

/** The theme's colours as the canvases use them. */
function canvasColours() {
  return run.palettes[theme()].canvas;
}

const HOVER_LINES = 4;

function showHover(samples, column, sample, x, y) {
  const card = document.getElementById("hover"),
    stage = document.getElementById("stage");
  card.hidden = sample < 0;
  if (sample < 0) return;
  document.getElementById("hover-name").textContent = samples.name(sample);
  const columns = run.columns
    .map((_, i) => i)
    .sort((a, b) => (b === column) - (a === column))
    .slice(0, HOVER_LINES);
  const lines = columns.map((i) => make("div", {}, `${run.columns[i].name}: ${samples.text(i, sample)}`));
  document.getElementById("hover-facts").replaceChildren(...lines);
  if (run.pictures) samples.draw(document.getElementById("hover-picture"), sample);
  const right = x + card.offsetWidth + 20 < stage.clientWidth;
  card.style.left = `${right ? x + 16 : Math.max(4, x - card.offsetWidth - 16)}px`;
  card.style.top = `${clamp(y - card.offsetHeight / 2, 4, Math.max(4, stage.clientHeight - card.offsetHeight - 4))}px`;
}

function setUpAxes(cloud) {
  const row = document.getElementById("axes-row"),
    kind = document.getElementById("axes-kind");
  const choices = [0, 1, 2].map((i) => document.getElementById(`axis-${i}`));
  const apply = () => {
    const principal = kind.value === "pca";
    choices.forEach((choice) => (choice.hidden = principal));
    const chosen = choices.map((choice) => Number(choice.value));
    cloud.setProjection(
      projectionOf(principal ? "pca" : chosen),
      principal ? run.home : { azimuth: -58, elevation: 22 },
    );
  };
  if (run.latentDim <= 3) {
    row.hidden = true;
    cloud.setProjection(projectionOf(Array.from({ length: run.latentDim }, (_, i) => i)), run.home);
    return;
  }
  choices.forEach((choice, i) => {
    for (let k = 0; k < run.latentDim; k++) choice.append(make("option", { value: k }, axisName(k)));
    choice.value = i;
    choice.addEventListener("change", () => {
      // Three different axes: whichever had the chosen one takes what this one had.
      const others = choices.filter((other) => other !== choice),
        taken = others.find((other) => other.value === choice.value);
      if (taken) taken.value = choices.map((c) => c.dataset.value)[i];
      choices.forEach((c) => (c.dataset.value = c.value));
      apply();
    });
    choice.dataset.value = choice.value;
  });
  kind.addEventListener("change", apply);
  apply();
}

function setUpThemes(changed) {
  const buttons = [...document.querySelectorAll("[data-choose-theme]")];
  const choose = (name) => {
    document.documentElement.dataset.theme = name;
    buttons.forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.chooseTheme === name)));
    changed();
  };
  buttons.forEach((button) => button.addEventListener("click", () => choose(button.dataset.chooseTheme)));
  systemDark.addEventListener("change", changed);
}

/** Give the probe its decoder once that has started. */
async function awaitDecoder(probe, decoder, started) {
  if (!decoder) return;
  const note = document.getElementById("image-state");
  note.textContent = "The decoder is starting …";
  try {
    await started;
  } catch (error) {
    note.textContent = `The decoder cannot run in this browser: ${error.message}`;
    document.getElementById("image-frame").hidden = true;
    document.querySelector("aside").classList.add("no-decoder");
    document.documentElement.dataset.decoder = "failed";
    return;
  }
  probe.decoder = decoder;
  await probe.decode();
  document.documentElement.dataset.decoder = "ready";
  document.documentElement.dataset.firstImage = String(Math.round(performance.now()));
}

async function main() {
  const decoder = run.decoder ? new Decoder(run.decoder) : null;
  const started = decoder && decoder.start(); // in its own thread, while the cloud is being drawn
  if (started) started.catch(() => {}); // awaitDecoder says it
  const [latents, values, indices, names] = await Promise.all([
    floats("latents"),
    floats("values"),
    unpacked("indices"),
    unpacked("names"),
  ]);
  const named = names && JSON.parse(new TextDecoder().decode(names));
  const samples = new Samples(latents, values, new Int32Array(indices), named);
  let probe = null,
    paths = null,
    colouring = null;
  const cloud = new Cloud(latents, {
    choose: (sample) => probe.choose(sample),
    probe: (z) => probe.move(z),
    step: (by) => {
      let next = probe.sample;
      do next = (next + by + run.count) % run.count;
      while (cloud.points && !cloud.points.visible[next] && next !== probe.sample);
      probe.choose(next);
    },
    play: () => paths && paths.setPlaying(!paths.playing),
    hover: (sample, x, y) => showHover(samples, colouring.column, sample, x, y),
    colours: canvasColours,
  });
  if (cloud.problem) {
    const notice = document.getElementById("cloud-problem");
    notice.textContent = `The cloud cannot be drawn: ${cloud.problem}. Sliders, images and paths work.`;
    notice.hidden = false;
  }
  setUpAxes(cloud);
  colouring = new Colouring(samples, cloud);
  probe = new Probe(samples, cloud);
  setUpThemes(() => {
    colouring.show();
    cloud.redraw();
  });
  document.getElementById("home").addEventListener("click", () => cloud.home());
  const turn = document.getElementById("turn");
  turn.hidden = cloud.camera.flat;
  turn.addEventListener("click", () => {
    cloud.turn(!cloud.turning);
    turn.setAttribute("aria-pressed", String(cloud.turning));
  });
  probe.choose(0);
  await new Promise(requestAnimationFrame);
  document.documentElement.dataset.cloud = "ready";
  await awaitDecoder(probe, decoder, started);
  const [frames, curves] = await Promise.all([floats("path-latents"), floats("path-curves")]);
  paths = frames ? new Paths(frames, curves, samples, cloud, probe) : null;
  /** For the console: `isoline.decode([…])` gives an image's pixels, `isoline.move([…])` moves the probe. */
  window.isoline = {
    run,
    samples,
    cloud,
    probe,
    paths,
    move: (z) => probe.move(z),
    decode: (z) => probe.decoder.frame(z, () => true),
  };
  document.documentElement.dataset.page = "ready";
}

main().catch((error) => {
  const notice = document.getElementById("cloud-problem");
  notice.textContent = `This page could not be shown: ${error.message}. It needs a browser of 2023 or later.`;
  notice.hidden = false;
  document.documentElement.dataset.page = "failed";
});
