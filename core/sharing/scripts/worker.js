// Decodes in a worker, so that the cloud goes on turning meanwhile. ONNX Runtime Web stands before this as `ort`.

let session = null, model = null;

async function start(message) {
  model = message.model;
  ort.env.logLevel = "error";
  ort.env.wasm.wasmBinary = message.runtime; // nothing is fetched
  ort.env.wasm.numThreads = 1; // more need a server that isolates the page
  ort.env.wasm.proxy = false;
  session = await ort.InferenceSession.create(new Uint8Array(message.decoder), { executionProviders: ["wasm"] });
  self.postMessage({ ready: true });
}

/** The decoder's output as opaque pixels: rows of red, green, blue, alpha. */
function pixelsOf(values) {
  const { height, width, channels, layout, scale, offset, sigmoid } = model;
  const area = height * width, pixels = new Uint8ClampedArray(4 * area);
  for (let i = 0; i < area; i++) {
    for (let channel = 0; channel < 3; channel++) {
      const from = channels === 1 ? 0 : channel;
      let value = values[layout === "NCHW" ? from * area + i : i * channels + from];
      if (sigmoid) value = 1 / (1 + Math.exp(-value));
      pixels[4 * i + channel] = Math.round(255 * (value * scale + offset));
    }
    pixels[4 * i + 3] = 255;
  }
  return pixels;
}

async function decode(message) {
  const began = performance.now();
  const z = new ort.Tensor("float32", message.z, [1, message.z.length]);
  const output = await session.run({ [model.input]: z }, [model.output]);
  const pixels = pixelsOf(output[model.output].data);
  self.postMessage({ pixels, milliseconds: performance.now() - began }, [pixels.buffer]);
}

self.onmessage = async ({ data }) => {
  try {
    await (data.decoder ? start(data) : decode(data));
  } catch (error) {
    self.postMessage({ error: String((error && error.message) || error) });
  }
};
