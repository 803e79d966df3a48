// The decoder: asked for one image at a time; of the probe's places only the newest counts.

class Decoder {
  constructor(graph) {
    this.graph = graph;
    this.waiting = []; // frames of paths, in order
    this.newest = null; // where the probe is
    this.current = null;
    this.milliseconds = [];
  }

  /** Unpack the runtime and the decoder and start; resolves when images can be had. Rejects where that fails. */
  async start() {
    const [program, runtime, decoder] = await Promise.all(["program", "runtime", "decoder"].map(unpacked));
    const address = URL.createObjectURL(new Blob([program], { type: "text/javascript" }));
    this.worker = new Worker(address);
    await new Promise((resolve, reject) => {
      this.worker.onerror = (event) => reject(new Error(event.message || "the browser refused to start it"));
      this.worker.onmessage = ({ data }) => (data.error ? reject(new Error(data.error)) : resolve());
      this.worker.postMessage({ graph: this.graph, runtime, decoder }, [runtime, decoder]);
    });
    URL.revokeObjectURL(address);
    this.worker.onmessage = ({ data }) => this.answer(data);
    this.worker.onerror = (event) => this.answer({ error: event.message || "the decoder stopped" });
    this.ready = true;
    this.next();
  }

  /** The image at `z`: {pixels, milliseconds}; null if a newer place was asked for before its turn came. */
  probe(z) {
    return new Promise((resolve, reject) => {
      if (this.newest) this.newest.resolve(null);
      this.newest = { z: Float32Array.from(z), resolve, reject };
      this.next();
    });
  }

  /** The image at `z`, when the probe needs nothing; `wanted` is asked again when its turn comes. */
  frame(z, wanted) {
    return new Promise((resolve, reject) => {
      this.waiting.push({ z: Float32Array.from(z), resolve, reject, wanted });
      this.next();
    });
  }

  next() {
    if (!this.ready || this.current) return;
    let request = this.newest;
    this.newest = null;
    while (!request && this.waiting.length) {
      const first = this.waiting.shift();
      if (first.wanted()) request = first;
      else first.resolve(null);
    }
    if (!request) return;
    this.current = request;
    this.worker.postMessage({ z: request.z });
  }

  answer(data) {
    const { current } = this;
    this.current = null;
    if (!current) return;
    if (data.error) current.reject(new Error(data.error));
    else {
      this.milliseconds.push(data.milliseconds);
      current.resolve(data);
    }
    this.next();
  }
}
