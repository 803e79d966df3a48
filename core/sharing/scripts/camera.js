// The camera and the projection of latents to the three axes that are drawn: as in Isoline's own cloud.

const HALF_TANGENT = Math.tan((28 * Math.PI) / 360); // of the vertical field of view
const MAX_ELEVATION = 89;
const ZOOM_LIMIT = 1e4;

const dot = (a, b) => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** A turntable that keeps the third axis upright; flat: a map, seen along the third axis. */
class Camera {
  constructor(home, flat) {
    this.home = home;
    this.flat = flat;
    this.width = this.height = 1;
    this.target = [0, 0, 0];
    this.distance = this.reference = 4;
    this.azimuth = home.azimuth;
    this.elevation = home.elevation;
  }

  /** Rows right, up, and towards the eye. */
  axes() {
    if (this.flat)
      return [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ];
    const a = (this.azimuth * Math.PI) / 180,
      e = (this.elevation * Math.PI) / 180;
    const ca = Math.cos(a),
      sa = Math.sin(a),
      ce = Math.cos(e),
      se = Math.sin(e);
    return [
      [-sa, ca, 0],
      [-se * ca, -se * sa, ce],
      [ce * ca, ce * sa, se],
    ];
  }

  eye() {
    const back = this.axes()[2];
    return this.target.map((value, i) => value + this.distance * back[i]);
  }

  get perPixel() {
    return (2 * HALF_TANGENT * this.distance) / this.height;
  }

  /** Pixels from the left and the top, and the distance from the eye's plane, of a point in view coordinates. */
  project(point, axes = this.axes()) {
    const offset = [0, 1, 2].map((i) => point[i] - this.target[i]);
    const depth = this.distance - dot(offset, axes[2]);
    const scale = this.height / (2 * HALF_TANGENT * (this.flat ? this.distance : depth));
    return [this.width / 2 + dot(offset, axes[0]) * scale, this.height / 2 - dot(offset, axes[1]) * scale, depth];
  }

  /** The point that is drawn at a pixel and lies `depth` in front of the eye's plane. */
  unproject(x, y, depth) {
    const [right, up, back] = this.axes();
    const spread = (2 * HALF_TANGENT * (this.flat ? this.distance : depth)) / this.height;
    const dx = (x - this.width / 2) * spread,
      dy = (this.height / 2 - y) * spread,
      dz = this.distance - depth;
    return this.target.map((value, i) => value + dx * right[i] + dy * up[i] + dz * back[i]);
  }

  /** View coordinates to WebGL's clip coordinates, column by column. */
  matrix() {
    const [right, up, back] = this.axes();
    const near = this.distance * 0.02,
      far = this.distance * 100;
    const sx = this.height / this.width / HALF_TANGENT,
      sy = 1 / HALF_TANGENT;
    const rows = [right, up, back].map((row) => [...row, -dot(row, this.target)]);
    rows[2][3] -= this.distance;
    const scaled = (row, factor) => row.map((value) => value * factor);
    let clip;
    if (this.flat) {
      const depth = scaled(rows[2], -2 / (far - near));
      depth[3] -= (far + near) / (far - near);
      clip = [scaled(rows[0], sx / this.distance), scaled(rows[1], sy / this.distance), depth, [0, 0, 0, 1]];
    } else {
      const depth = scaled(rows[2], -(far + near) / (far - near));
      depth[3] -= (2 * far * near) / (far - near);
      clip = [scaled(rows[0], sx), scaled(rows[1], sy), depth, scaled(rows[2], -1)];
    }
    return Float32Array.from({ length: 16 }, (_, i) => clip[i % 4][i >> 2]);
  }

  orbit(dx, dy) {
    if (this.flat) return this.pan(dx, dy);
    this.azimuth = ((((this.azimuth - 0.4 * dx + 180) % 360) + 360) % 360) - 180;
    this.elevation = clamp(this.elevation + 0.4 * dy, -MAX_ELEVATION, MAX_ELEVATION);
  }

  pan(dx, dy) {
    const [right, up] = this.axes(),
      step = this.perPixel;
    this.target = this.target.map((value, i) => value - (dx * right[i] - dy * up[i]) * step);
  }

  zoom(factor, x = this.width / 2, y = this.height / 2) {
    const before = this.unproject(x, y, this.distance);
    this.distance = clamp(this.distance / factor, this.reference / ZOOM_LIMIT, this.reference * 20);
    const after = this.unproject(x, y, this.distance);
    this.target = this.target.map((value, i) => value + before[i] - after[i]);
  }

  /** Turn home and move so that the box is seen whole within the margins. */
  reset(box, margin) {
    this.azimuth = this.home.azimuth;
    this.elevation = this.home.elevation;
    this.target = box.low.map((low, i) => (low + box.high[i]) / 2);
    const axes = this.axes(),
      inner = [this.width - 2 * margin, this.height - 2 * margin];
    const tangent = inner.map((side) => (HALF_TANGENT * Math.max(side, this.height * 0.3)) / this.height);
    let distance = 1e-6;
    for (const corner of corners(box)) {
      const offset = corner.map((value, i) => value - this.target[i]);
      const needed = Math.max(Math.abs(dot(offset, axes[0])) / tangent[0], Math.abs(dot(offset, axes[1])) / tangent[1]);
      distance = Math.max(distance, needed + (this.flat ? 0 : dot(offset, axes[2])));
    }
    this.distance = this.reference = distance;
    for (let round = 0; !this.flat && round < 4; round++) {
      // in perspective the outline is smaller, and not centred
      const seen = corners(box).map((corner) => this.project(corner));
      const ends = [0, 1].map((i) => [
        Math.min(...seen.map((place) => place[i])),
        Math.max(...seen.map((place) => place[i])),
      ]);
      this.pan((this.width - ends[0][0] - ends[0][1]) / 2, (this.height - ends[1][0] - ends[1][1]) / 2);
      this.distance *= Math.max((ends[0][1] - ends[0][0]) / inner[0], (ends[1][1] - ends[1][0]) / inner[1]);
    }
    this.reference = this.distance;
  }
}

function corners(box) {
  return Array.from({ length: 8 }, (_, i) => [0, 1, 2].map((axis) => ((i >> axis) & 1 ? box.high : box.low)[axis]));
}

/** Latents to the drawn axes and back: x = (z − origin) · basis, with orthonormal columns. */
class Projection {
  /** `basis` has one list of d numbers for each axis drawn. */
  constructor(basis, origin, labels) {
    this.basis = basis;
    this.origin = origin;
    this.labels = labels;
  }

  get dims() {
    return this.basis.length;
  }

  /** View coordinates (3) of row `row` of latents. */
  toView(latents, row = 0) {
    const { basis, origin } = this,
      d = origin.length,
      view = [0, 0, 0];
    for (let axis = 0; axis < basis.length; axis++) {
      let sum = 0;
      for (let i = 0; i < d; i++) sum += (latents[row * d + i] - origin[i]) * basis[axis][i];
      view[axis] = sum;
    }
    return view;
  }

  /** The latents at a place in the view; what the view does not show stays as in `z`. */
  fromView(view, z) {
    const moved = Float32Array.from(z),
      now = this.toView(z);
    for (let axis = 0; axis < this.dims; axis++) {
      const change = view[axis] - now[axis];
      for (let i = 0; i < moved.length; i++) moved[i] += change * this.basis[axis][i];
    }
    return moved;
  }
}

/** The projection along principal components, or along the chosen dimensions (counted from 0). */
function projectionOf(axes) {
  const d = run.latentDim;
  if (axes === "pca") {
    return new Projection(
      run.components.basis,
      run.components.mean,
      run.components.basis.map((_, i) => `PC${subscript(i + 1)}`),
    );
  }
  const unit = (dimension) => Array.from({ length: d }, (_, i) => (i === dimension ? 1 : 0));
  return new Projection(axes.map(unit), new Array(d).fill(0), axes.map(axisName));
}
