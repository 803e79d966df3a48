// The cloud: points between axes and marks, and what mouse, touch and keys do to it.

const CLICK_PIXELS = 5; // a press that moves less is a click
const MARGIN = 54; // pixels around the box, for the labels

class Cloud {
  /** `on` has the functions choose(sample), hover(sample, x, y), probe(z), step(by), play() and colours(). */
  constructor(latents, on) {
    this.latents = latents;
    this.on = on;
    this.stage = document.getElementById("stage");
    this.under = document.getElementById("axes");
    this.over = document.getElementById("marks");
    this.problem = "";
    try {
      this.points = new Points(document.getElementById("points"), run.count);
    } catch (error) {
      this.problem = error.message;
    }
    this.probe = new Float32Array(run.latentDim);
    this.hovered = this.chosen = -1;
    this.curve = null;
    this.turning = false;
    this.dirty = false;
    this.frames = 0;
    new ResizeObserver(() => this.resize()).observe(this.stage);
    this.listen();
  }

  /** Show the latents along `projection`, from the home side. */
  setProjection(projection, home) {
    this.projection = projection;
    this.camera = new Camera(home, projection.dims < 3);
    const view = this.points ? this.points.view : new Float32Array(3 * run.count);
    for (let row = 0; row < run.count; row++) view.set(projection.toView(this.latents, row), 3 * row);
    if (this.points) this.points.stale.place = true;
    this.box = boxAround(view, projection.dims);
    this.stage.classList.toggle("flat", this.camera.flat);
    this.resize(true);
  }

  home() {
    this.camera.reset(this.box, Math.min(MARGIN, this.camera.width / 7, this.camera.height / 7));
    this.redraw();
  }

  /** Colours (3 n) and which samples are shown (n). */
  paint(colours, visible) {
    if (!this.points) return;
    this.points.colours.set(colours);
    this.points.visible.set(visible);
    this.points.stale.colour = true;
    this.redraw();
  }

  /** Latents (k · d) of the curve that is shown, or null. */
  setCurve(latents) {
    this.curve = latents;
    this.redraw();
  }

  setProbe(z, sample = -1) {
    this.probe = Float32Array.from(z);
    this.chosen = sample;
    this.redraw();
  }

  turn(turning) {
    this.turning = turning && !this.camera.flat;
    this.last = performance.now();
    this.redraw();
  }

  redraw() {
    if (this.dirty) return;
    this.dirty = true;
    requestAnimationFrame((now) => this.frame(now));
  }

  frame(now) {
    this.dirty = false;
    if (this.turning) {
      this.camera.azimuth = ((this.camera.azimuth + 0.018 * Math.min(now - this.last, 100) + 180) % 360) - 180;
      this.last = now;
      this.redraw();
    }
    const { camera, box } = this,
      colours = this.on.colours();
    const depths = corners(box).map((corner) => camera.project(corner)[2]);
    const context = this.under.getContext("2d");
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    drawAxes(context, camera, box, this.projection.labels, colours);
    if (this.points) {
      const diameter = this.radius * 2 * this.ratio;
      this.points.draw(camera, { diameter, near: Math.min(...depths), far: Math.max(...depths), ground: colours.plot });
    }
    this.drawMarks(colours);
    this.frames++;
  }

  get radius() {
    const room = Math.sqrt((this.camera.width * this.camera.height) / (run.count || 1));
    return clamp(room * 0.18, 1.6, 3.4);
  }

  place(z) {
    return this.camera.project(this.projection.toView(z));
  }

  drawMarks(colours) {
    const context = this.over.getContext("2d"),
      { camera, latents } = this,
      d = run.latentDim;
    context.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    context.clearRect(0, 0, camera.width, camera.height);
    const seen = ([x, y, depth]) => (camera.flat || depth > camera.distance * 0.02) && Number.isFinite(x + y);
    const ring = ([x, y], radius, width, colour) => {
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.lineWidth = width;
      context.strokeStyle = colour;
      context.stroke();
    };
    if (this.curve) {
      const places = [];
      for (let k = 0; k < this.curve.length; k += d) places.push(this.place(this.curve.subarray(k, k + d)));
      context.lineJoin = "round";
      for (const [width, colour] of [
        [5.5, colours.halo],
        [2.5, colours.accent],
      ]) {
        context.beginPath();
        places.filter(seen).forEach(([x, y], k) => (k ? context.lineTo(x, y) : context.moveTo(x, y)));
        context.lineWidth = width;
        context.strokeStyle = colour;
        context.stroke();
      }
    }
    if (this.hovered >= 0) {
      const place = this.place(latents.subarray(this.hovered * d, (this.hovered + 1) * d));
      if (seen(place)) ring(place, 6, 1.5, colours.text);
    }
    const place = this.place(this.probe);
    if (!seen(place)) return;
    if (this.projection.dims === 3) {
      // Lines to the faces behind it show where in the depth it is.
      const at = this.projection.toView(this.probe),
        eye = camera.eye();
      context.setLineDash([3, 4]);
      for (let axis = 0; axis < 3; axis++) {
        const end = [...at],
          middle = (this.box.low[axis] + this.box.high[axis]) / 2;
        end[axis] = (eye[axis] > middle ? this.box.low : this.box.high)[axis];
        const foot = camera.project(end);
        if (!seen(foot)) continue;
        context.lineWidth = 1;
        context.strokeStyle = colours.muted;
        strokeLine(context, place, foot);
      }
      context.setLineDash([]);
    }
    ring(place, 8, 5, colours.halo);
    ring(place, 8, 2.2, colours.text);
    context.beginPath();
    context.arc(place[0], place[1], 2.5, 0, 2 * Math.PI);
    context.fillStyle = colours.accent;
    context.fill();
  }

  resize(home = false) {
    const { camera } = this;
    if (!camera) return;
    const { clientWidth: width, clientHeight: height } = this.stage;
    if (!width || !height) return;
    const changed = width !== camera.width || height !== camera.height;
    const untouched = home || camera.distance === camera.reference;
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    camera.width = width;
    camera.height = height;
    for (const canvas of this.stage.querySelectorAll("canvas.layer")) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
    }
    if (changed && untouched) this.home();
    else if (home) this.home();
    else this.redraw();
  }

  // Gestures

  listen() {
    const stage = this.stage,
      pressed = new Map();
    let gesture = null;
    const local = (event) => {
      const frame = stage.getBoundingClientRect();
      return [event.clientX - frame.left, event.clientY - frame.top];
    };
    stage.addEventListener("pointerdown", (event) => {
      const [x, y] = local(event);
      stage.setPointerCapture(event.pointerId);
      pressed.set(event.pointerId, [x, y]);
      this.on.hover(-1);
      if (pressed.size > 1) {
        gesture = { kind: "pinch" };
        return;
      }
      const probe = this.place(this.probe),
        reach = event.pointerType === "mouse" ? 14 : 28;
      const grabbed = Math.hypot(probe[0] - x, probe[1] - y) < reach && event.button === 0;
      const pans = event.button !== 0 || event.shiftKey;
      gesture = { kind: grabbed ? "probe" : pans ? "pan" : "orbit", start: [x, y], moved: false, depth: probe[2] };
      gesture.grip = [probe[0] - x, probe[1] - y];
    });
    stage.addEventListener("pointermove", (event) => {
      const [x, y] = local(event),
        before = pressed.get(event.pointerId);
      if (!before) {
        if (event.pointerType === "mouse") this.pointAt(x, y);
        return;
      }
      const dx = x - before[0],
        dy = y - before[1];
      if (gesture.kind === "pinch") {
        const [other] = [...pressed].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        if (other) {
          const apart = (place) => Math.hypot(place[0] - other[0], place[1] - other[1]);
          this.camera.pan(dx / 2, dy / 2);
          this.camera.zoom(apart([x, y]) / Math.max(apart(before), 1), (x + other[0]) / 2, (y + other[1]) / 2);
          this.redraw();
        }
      } else {
        const reach = Math.hypot(x - gesture.start[0], y - gesture.start[1]);
        if (!gesture.moved && reach < CLICK_PIXELS) return;
        gesture.moved = true;
        if (gesture.kind === "probe") {
          const view = this.camera.unproject(x + gesture.grip[0], y + gesture.grip[1], gesture.depth);
          this.on.probe(this.projection.fromView(view, this.probe));
        } else {
          this.camera[gesture.kind](dx, dy);
          this.redraw();
        }
      }
      pressed.set(event.pointerId, [x, y]);
    });
    const release = (event) => {
      const held = pressed.delete(event.pointerId);
      if (!held || !gesture) return;
      if (event.type === "pointerup" && !gesture.moved && gesture.kind !== "pinch" && event.button === 0) {
        const [x, y] = local(event);
        const sample = this.pick(x, y, event.pointerType === "mouse" ? 12 : 24);
        if (sample >= 0) this.on.choose(sample);
      }
      if (!pressed.size) gesture = null;
      else gesture = { kind: "pinch" };
    };
    stage.addEventListener("pointerup", release);
    stage.addEventListener("pointercancel", release);
    stage.addEventListener("pointerleave", () => {
      this.hovered = -1;
      this.redraw();
      this.on.hover(-1);
    });
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener(
      "wheel",
      (event) => {
        event.preventDefault();
        const lines = event.deltaMode === 1 ? 16 : 1;
        this.camera.zoom(Math.exp(-clamp(event.deltaY * lines, -240, 240) * 0.0015), ...local(event));
        this.redraw();
      },
      { passive: false },
    );
    stage.addEventListener("keydown", (event) => this.onKey(event));
  }

  onKey(event) {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (direction && event.shiftKey) this.nudge(...direction);
    else if (direction) this.camera.orbit(-20 * direction[0], -20 * direction[1]);
    else if (event.key === "+" || event.key === "=") this.camera.zoom(1.2);
    else if (event.key === "-") this.camera.zoom(1 / 1.2);
    else if (event.key === "Home") this.home();
    else if (event.key === " ") this.on.play();
    else if (event.key === "n" || event.key === "p") this.on.step(event.key === "n" ? 1 : -1);
    else return;
    event.preventDefault();
    this.redraw();
  }

  /** Move the probe across the screen by some pixels. */
  nudge(right, down) {
    const [x, y, depth] = this.place(this.probe);
    this.on.probe(this.projection.fromView(this.camera.unproject(x + 12 * right, y + 12 * down, depth), this.probe));
  }

  pick(x, y, reach) {
    return this.points ? this.points.pick(this.camera, x, y, reach, this.radius * 1.2) : -1;
  }

  pointAt(x, y) {
    this.pointer = [x, y];
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      const sample = this.pick(...this.pointer, 8);
      const probe = this.place(this.probe);
      this.stage.classList.toggle("on-probe", Math.hypot(probe[0] - x, probe[1] - y) < 14);
      this.stage.classList.toggle("on-sample", sample >= 0);
      if (sample !== this.hovered) {
        this.hovered = sample;
        this.redraw();
      }
      this.on.hover(sample, ...this.pointer);
    });
  }
}
