// The box around the cloud: ticks at round numbers, and grid lines on the faces behind the points.

/** The round step 1, 2 or 5 times a power of ten that divides `span` into about `count` parts. */
function niceStep(span, count) {
  const raw = Math.max(span, 1e-12) / count,
    power = 10 ** Math.floor(Math.log10(raw));
  return power * [1, 2, 5, 10].find((factor) => raw <= power * factor * 1.000001);
}

function tickText(value, step) {
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const text = step >= 1e-4 && step < 1e6 ? value.toFixed(decimals) : value.toPrecision(3);
  return (Number(text) === 0 ? text.replace("-", "") : text).replace("-", "−");
}

/** A box that holds the view coordinates (3 n), ending at quarters of a tick's step. */
function boxAround(view, dims) {
  const low = [0, 0, 0],
    high = [0, 0, 0];
  for (let axis = 0; axis < dims; axis++) {
    low[axis] = Infinity;
    high[axis] = -Infinity;
    for (let i = axis; i < view.length; i += 3) {
      if (view[i] < low[axis]) low[axis] = view[i];
      if (view[i] > high[axis]) high[axis] = view[i];
    }
  }
  const span = Math.max(...low.slice(0, dims).map((value, i) => high[i] - value), 1e-9);
  const step = niceStep(span, 6),
    quarter = step / 4;
  for (let axis = 0; axis < dims; axis++) {
    low[axis] = Math.floor((low[axis] - 0.02 * span) / quarter) * quarter;
    high[axis] = Math.ceil((high[axis] + 0.02 * span) / quarter) * quarter;
  }
  return { low, high, step };
}

function ticksBetween(low, high, step) {
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-6); k * step <= high + step * 1e-6; k++) ticks.push(k * step);
  return ticks;
}

function strokeLine(context, from, to) {
  context.beginPath();
  context.moveTo(from[0], from[1]);
  context.lineTo(to[0], to[1]);
  context.stroke();
}

/** Draw grid, ticks and names of the axes; `colours` are the theme's. */
function drawAxes(context, camera, box, labels, colours) {
  context.clearRect(0, 0, camera.width, camera.height);
  context.font = "12px system-ui, sans-serif";
  context.lineWidth = 1;
  if (camera.flat) drawFlatAxes(context, camera, labels, colours);
  else drawBoxAxes(context, camera, box, labels, colours);
}

function drawBoxAxes(context, camera, box, labels, colours) {
  const eye = camera.eye(),
    axes = camera.axes(),
    place = (point) => camera.project(point, axes);
  const middle = box.low.map((low, i) => (low + box.high[i]) / 2);
  const behind = [0, 1, 2].map((axis) => (eye[axis] > middle[axis] ? box.low : box.high)[axis]);
  const front = [0, 1, 2].map((axis) => box.low[axis] + box.high[axis] - behind[axis]);
  for (let face = 0; face < 3; face++) {
    for (let along = 0; along < 3; along++) {
      if (along === face) continue;
      const across = 3 - face - along,
        inner = ticksBetween(box.low[across], box.high[across], box.step);
      for (const tick of new Set([box.low[across], ...inner, box.high[across]])) {
        const edge = tick === box.low[across] || tick === box.high[across];
        const from = [0, 0, 0];
        from[face] = behind[face];
        from[across] = tick;
        const to = [...from];
        from[along] = box.low[along];
        to[along] = box.high[along];
        context.strokeStyle = colours.grid;
        context.lineWidth = edge || Math.abs(tick) < box.step * 1e-6 ? 1.5 : 1;
        strokeLine(context, place(from), place(to));
      }
    }
  }
  const centre = place(middle);
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let axis = 0; axis < 3; axis++) {
    // An edge of the outline: one of its two faces lies in front of the points and one behind them.
    const [b, c] = [0, 1, 2].filter((other) => other !== axis);
    const edges = [
      [behind, front],
      [front, behind],
    ].map(([atB, atC]) => {
      const edge = [...middle];
      edge[b] = atB[b];
      edge[c] = atC[c];
      return edge;
    });
    const key = (edge) => (axis === 2 ? -place(edge)[0] : place(edge)[1]);
    const edge = key(edges[0]) > key(edges[1]) ? edges[0] : edges[1];
    const at = (value) => place(edge.map((other, i) => (i === axis ? value : other)));
    const first = at(box.low[axis]),
      last = at(box.high[axis]);
    const length = Math.hypot(last[0] - first[0], last[1] - first[1]);
    if (length < 24) continue;
    let outward = [-(last[1] - first[1]) / length, (last[0] - first[0]) / length];
    const half = at(middle[axis]);
    if (outward[0] * (half[0] - centre[0]) + outward[1] * (half[1] - centre[1]) < 0) outward = outward.map((x) => -x);
    context.fillStyle = colours.muted;
    const ticks = ticksBetween(box.low[axis], box.high[axis], box.step),
      every = Math.ceil((ticks.length * 26) / length);
    ticks.forEach((tick, k) => {
      if (k % every) return;
      const [x, y] = at(tick);
      context.fillText(tickText(tick, box.step), x + 16 * outward[0], y + 13 * outward[1]);
    });
    context.fillStyle = colours.text;
    context.font = "600 14px system-ui, sans-serif";
    context.fillText(labels[axis], half[0] + 38 * outward[0], half[1] + 32 * outward[1]);
    context.font = "12px system-ui, sans-serif";
  }
}

function drawFlatAxes(context, camera, labels, colours) {
  const { width, height } = camera,
    dims = labels.length;
  const step = niceStep(width * camera.perPixel, Math.max(3, Math.floor(width / 110)));
  const low = camera.unproject(0, height, camera.distance),
    high = camera.unproject(width, 0, camera.distance);
  context.textBaseline = "alphabetic";
  for (let axis = 0; axis < dims; axis++) {
    for (const tick of ticksBetween(low[axis], high[axis], step)) {
      const point = [0, 0, 0];
      point[axis] = tick;
      const [x, y] = camera.project(point);
      context.strokeStyle = Math.abs(tick) < step * 1e-6 ? colours.muted : colours.grid;
      context.fillStyle = colours.muted;
      if (axis === 0) {
        strokeLine(context, [x, 0], [x, height]);
        context.textAlign = "center";
        if (x > 40 && x < width - 70) context.fillText(tickText(tick, step), x, height - 8);
      } else {
        strokeLine(context, [0, y], [width, y]);
        context.textAlign = "left";
        if (y > 40 && y < height - 30) context.fillText(tickText(tick, step), 8, y - 4);
      }
    }
  }
  context.font = "600 14px system-ui, sans-serif";
  context.fillStyle = colours.text;
  context.textAlign = "right";
  context.fillText(labels[0], width - 12, height - 8);
  context.textAlign = "left";
  if (dims > 1) context.fillText(labels[1], 8, 20);
}
