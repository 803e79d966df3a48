// The points, drawn by WebGL: smooth discs, sorted from far to near, so that they cover one another as they should.

const VERTEX = `#version 300 es
in vec3 place;
in vec3 colour;
uniform mat4 matrix;
uniform float diameter, nominal, near, far;
out vec3 shade;
out float across, fade;
void main() {
  gl_Position = matrix * vec4(place, 1.0);
  float depth = gl_Position.w;
  across = diameter * (nominal > 0.0 ? clamp(nominal / depth, 0.6, 1.8) : 1.0);
  fade = nominal > 0.0 ? 0.38 * clamp((depth - near) / (far - near), 0.0, 1.0) : 0.0;
  shade = colour;
  gl_PointSize = across + 1.0;
}`;
const FRAGMENT = `#version 300 es
precision mediump float;
in vec3 shade;
in float across, fade;
uniform vec3 ground;
out vec4 pixel;
void main() {
  float cover = clamp(0.5 * across + 0.5 - length(gl_PointCoord - 0.5) * (across + 1.0), 0.0, 1.0);
  if (cover <= 0.0) discard;
  pixel = vec4(mix(shade, ground, fade) * cover, cover);
}`;

class Points {
  /** Raises an Error if the browser has no WebGL 2. */
  constructor(canvas, count) {
    this.canvas = canvas;
    this.count = count;
    this.view = new Float32Array(3 * count);
    this.colours = new Uint8Array(3 * count);
    this.visible = new Uint8Array(count).fill(1);
    this.depth = new Float32Array(count);
    this.order = new Uint32Array(count);
    this.gl = canvas.getContext("webgl2", { alpha: true, antialias: false, depth: false, premultipliedAlpha: true });
    if (!this.gl) throw new Error("this browser offers no WebGL 2, with which the cloud is drawn");
    canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    canvas.addEventListener("webglcontextrestored", () => this.prepare());
    this.prepare();
  }

  prepare() {
    const gl = this.gl,
      program = gl.createProgram();
    for (const [kind, source] of [
      [gl.VERTEX_SHADER, VERTEX],
      [gl.FRAGMENT_SHADER, FRAGMENT],
    ]) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
      throw new Error(`the points' shader could not be built: ${gl.getProgramInfoLog(program)}`);
    }
    this.program = program;
    this.buffers = { place: gl.createBuffer(), colour: gl.createBuffer(), order: gl.createBuffer() };
    this.stale = { place: true, colour: true };
  }

  /** Sort what is visible from far to near, by counting; returns how many points there are to draw. */
  sort(camera) {
    const { view, depth, visible, order, count } = this;
    const back = camera.axes()[2],
      offset = camera.distance + dot(camera.target, back);
    let low = Infinity,
      high = -Infinity,
      shown = 0;
    for (let i = 0; i < count; i++) {
      const value = offset - (view[3 * i] * back[0] + view[3 * i + 1] * back[1] + view[3 * i + 2] * back[2]);
      depth[i] = value;
      if (!visible[i]) continue;
      shown++;
      if (value < low) low = value;
      if (value > high) high = value;
    }
    const steps = 16384,
      scale = (steps - 1) / Math.max(high - low, 1e-30),
      starts = new Uint32Array(steps + 1);
    for (let i = 0; i < count; i++) if (visible[i]) starts[1 + (((high - depth[i]) * scale) | 0)]++;
    for (let step = 0; step < steps; step++) starts[step + 1] += starts[step];
    for (let i = 0; i < count; i++) if (visible[i]) order[starts[((high - depth[i]) * scale) | 0]++] = i;
    return shown;
  }

  draw(camera, style) {
    const gl = this.gl;
    if (gl.isContextLost()) return;
    const shown = this.sort(camera),
      { buffers, stale } = this;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.useProgram(this.program);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    for (const [name, data, kind] of [
      ["place", this.view, gl.FLOAT],
      ["colour", this.colours, gl.UNSIGNED_BYTE],
    ]) {
      gl.bindBuffer(gl.ARRAY_BUFFER, buffers[name]);
      if (stale[name]) gl.bufferData(gl.ARRAY_BUFFER, data, gl.STATIC_DRAW);
      stale[name] = false;
      const place = gl.getAttribLocation(this.program, name);
      gl.enableVertexAttribArray(place);
      gl.vertexAttribPointer(place, 3, kind, kind === gl.UNSIGNED_BYTE, 0, 0);
    }
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, buffers.order);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, this.order, gl.DYNAMIC_DRAW, 0, shown);
    const set = (name) => gl.getUniformLocation(this.program, name);
    gl.uniformMatrix4fv(set("matrix"), false, camera.matrix());
    gl.uniform1f(set("diameter"), style.diameter);
    gl.uniform1f(set("nominal"), camera.flat ? 0 : camera.distance);
    gl.uniform1f(set("near"), style.near);
    gl.uniform1f(set("far"), Math.max(style.far, style.near + 1e-9));
    gl.uniform3fv(
      set("ground"),
      style.ground.map((value) => value / 255),
    );
    gl.drawElements(gl.POINTS, shown, gl.UNSIGNED_INT, 0);
  }

  /** The sample nearest to a pixel within `reach`; of those under the pointer the one in front. −1: none. */
  pick(camera, x, y, reach, radius) {
    const axes = camera.axes(),
      point = [0, 0, 0];
    let best = -1,
      least = reach * reach,
      front = Infinity;
    for (let i = 0; i < this.count; i++) {
      if (!this.visible[i]) continue;
      for (let axis = 0; axis < 3; axis++) point[axis] = this.view[3 * i + axis];
      const [px, py, depth] = camera.project(point, axes);
      if (!camera.flat && depth < camera.distance * 0.02) continue;
      const away = (px - x) ** 2 + (py - y) ** 2;
      if (away <= radius * radius ? depth < front : front === Infinity && away < least) {
        best = i;
        least = away;
        if (away <= radius * radius) front = depth;
      }
    }
    return best;
  }
}
