// What the file holds: the run's description, and its arrays, which are compressed and written as text.

/** The run's description; core/sharing/contents.py says what is in it. */
const run = JSON.parse(document.getElementById("run").textContent);

/** The bytes of the section `name`, or null if the page has none. They are taken out of the document. */
async function unpacked(name) {
  const element = document.getElementById(`data-${name}`);
  if (!element) return null;
  const text = element.textContent.trim();
  element.remove();
  let bytes;
  if (Uint8Array.fromBase64) {
    bytes = Uint8Array.fromBase64(text);
  } else {
    const letters = atob(text);
    bytes = new Uint8Array(letters.length);
    for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  }
  if (element.dataset.packing !== "gzip") return bytes.buffer;
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** Numbers of a little-endian float32 section. */
async function floats(name) {
  const buffer = await unpacked(name);
  return buffer ? new Float32Array(buffer) : null;
}

/** An element with attributes and children; a text child is text, never markup. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

const grouped = (count) => count.toLocaleString("en-US");
const counted = (count, noun) => `${grouped(count)} ${noun}${count === 1 ? "" : "s"}`;

/** Four significant digits, with a true minus sign. */
function figure(value) {
  if (!Number.isFinite(value)) return "unknown";
  const size = Math.abs(value);
  const text = size !== 0 && (size >= 1e6 || size < 1e-4) ? value.toExponential(2) : String(+value.toPrecision(4));
  return text.replace(/-/g, "−");
}

const SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉";
const subscript = (number) => String(number).replace(/\d/g, (digit) => SUBSCRIPTS[digit]);
const axisName = (dimension) => `μ${subscript(dimension + 1)}`;
