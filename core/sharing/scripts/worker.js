// Decodes in a worker, so that the cloud goes on turning meanwhile. ONNX Runtime Web stands before this as `ort`.

const ARRAYS = {
  float32: Float32Array,
  float64: Float64Array,
  int32: Int32Array,
  int64: BigInt64Array,
  uint8: Uint8Array,
  bool: Uint8Array,
  float16: globalThis.Float16Array, // of browsers of 2025 and later
};
let session = null,
  graph = null,
  fixed = {};

function tensor({ shape, dtype }, values) {
  if (!ARRAYS[dtype]) throw new Error(`it knows no numbers of the kind ${dtype}`);
  const array =
    dtype === "int64" ? BigInt64Array.from(values, (value) => BigInt(Math.round(value))) : ARRAYS[dtype].from(values);
  return new ort.Tensor(dtype, array, shape);
}

async function start(message) {
  graph = message.graph;
  ort.env.logLevel = "error";
  ort.env.wasm.wasmBinary = message.runtime; // nothing is fetched
  ort.env.wasm.numThreads = 1; // more need a server that isolates the page
  ort.env.wasm.proxy = false;
  session = await ort.InferenceSession.create(new Uint8Array(message.decoder), { executionProviders: ["wasm"] });
  for (const input of graph.inputs) {
    if (input.value === null) continue;
    const size = input.shape.reduce((product, side) => product * side, 1);
    fixed[input.name] = tensor(input, new Array(size).fill(input.value));
  }
  self.postMessage({ ready: true });
}

/** The output as opaque pixels: red, green, blue, alpha; `Graph` in core/sharing/decoder.py explains the terms. */
function pixelsOf(values) {
  const { height, width, channels, strides, side, low, high, logits, reduction } = graph;
  const [down, right, deep] = strides,
    rows = Math.ceil(height / reduction),
    columns = Math.ceil(width / reduction);
  const top = Math.floor((side - rows) / 2),
    left = Math.floor((side - columns) / 2),
    colours = channels >= 3 ? 3 : 1;
  const pixels = new Uint8ClampedArray(4 * side * side);
  for (let i = 3; i < pixels.length; i += 4) pixels[i] = 255;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const at = 4 * ((top + row) * side + left + column);
      for (let colour = 0; colour < colours; colour++) {
        let sum = 0;
        for (let dy = 0; dy < reduction; dy++) {
          for (let dx = 0; dx < reduction; dx++) {
            const y = Math.min(row * reduction + dy, height - 1),
              x = Math.min(column * reduction + dx, width - 1);
            let value = Number(values[y * down + x * right + colour * deep]);
            if (logits) value = 1 / (1 + Math.exp(-value));
            sum += Math.min(Math.max((value - low) / (high - low), 0), 1) || 0; // what is no number is black
          }
        }
        pixels[at + colour] = Math.round((255 * sum) / (reduction * reduction));
      }
      if (colours === 1) pixels[at + 1] = pixels[at + 2] = pixels[at];
    }
  }
  return pixels;
}

async function decode(message) {
  const began = performance.now(),
    feeds = { ...fixed };
  for (const input of graph.inputs) if (input.value === null) feeds[input.name] = tensor(input, message.z);
  const output = await session.run(feeds, [graph.output]);
  const pixels = pixelsOf(output[graph.output].data);
  self.postMessage({ pixels, milliseconds: performance.now() - began }, [pixels.buffer]);
}

self.onmessage = async ({ data }) => {
  try {
    await (data.decoder ? start(data) : decode(data));
  } catch (error) {
    self.postMessage({ error: String((error && error.message) || error) });
  }
};
