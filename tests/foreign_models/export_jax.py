"""Trains a small VAE in JAX and exports it to ONNX by jax2onnx: decoder, encoder, and both in one file.

Not run by the tests, which read the files that it made beside it. In an environment of its own:

    python3 -m venv jax && jax/bin/pip install jax jax2onnx optax
    jax/bin/python tests/foreign_models/export_jax.py

Made with JAX 0.10, jax2onnx 0.17. Images are NHWC, grey, -1 to 1; the decoder ends with tanh.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import optax
from blobs import SIZE, blobs
from jax2onnx import to_onnx

HERE = Path(__file__).parent
LATENT = 2
AXES = ("NHWC", "HWIO", "NHWC")


def conv(x, kernel, stride=1):
    return jax.lax.conv_general_dilated(x, kernel, (stride, stride), "SAME", dimension_numbers=AXES)


def encode(p, x):
    h = jax.nn.relu(conv(x, p["e1"], 2)).reshape(x.shape[0], -1)
    h = jax.nn.relu(h @ p["e2"] + p["e2b"])
    return h @ p["mean"], h @ p["log_variance"] - 3.0


def decode(p, z):
    h = jax.nn.relu(z @ p["d1"] + p["d1b"])
    h = jax.nn.relu(h @ p["d2"]).reshape(-1, 8, 8, 2)
    h = jnp.repeat(jnp.repeat(h, 2, axis=1), 2, axis=2)
    return jnp.tanh(conv(h, p["d3"]) + p["d3b"])


def initial(key):
    def normal(place, shape, size):
        return size * jax.random.normal(jax.random.fold_in(key, place), shape)

    half = SIZE // 2
    return {
        "e1": normal(0, (3, 3, 1, 4), 0.4),
        "e2": normal(1, (half * half * 4, 16), 0.08),
        "e2b": jnp.zeros(16),
        "mean": normal(2, (16, LATENT), 0.3),
        "log_variance": normal(3, (16, LATENT), 0.01),
        "d1": normal(4, (LATENT, 24), 0.7),
        "d1b": normal(7, (24,), 0.5),
        "d2": normal(5, (24, 128), 0.3),
        "d3": normal(6, (3, 3, 2, 1), 0.3),
        "d3b": jnp.full((1,), -0.5),
    }


def main():
    images = jnp.asarray(blobs(2000)[0], jnp.float32) / 127.5 - 1.0
    key = jax.random.PRNGKey(0)
    p = initial(key)
    optimizer = optax.adam(5e-3)
    state = optimizer.init(p)

    @jax.jit
    def step(p, state, key):
        def loss(p):
            chosen, noise = jax.random.split(key)
            x = images[jax.random.randint(chosen, (64,), 0, len(images))]
            mean, log_variance = encode(p, x)
            z = mean + jnp.exp(0.5 * log_variance) * jax.random.normal(noise, mean.shape)
            kl = jnp.mean(mean**2 + jnp.exp(log_variance) - log_variance - 1.0)
            return jnp.mean((decode(p, z) - x) ** 2) + 1e-3 * kl

        value, slope = jax.value_and_grad(loss)(p)
        updates, state2 = optimizer.update(slope, state)
        return optax.apply_updates(p, updates), state2, value

    for number in range(4000):
        p, state, value = step(p, state, jax.random.fold_in(key, number))
    print("loss", value)

    def both(x):
        mean, log_variance = encode(p, x)
        return decode(p, mean), mean, log_variance

    for name, function, shape in (
        ("jax_encoder", lambda x: encode(p, x), ("B", SIZE, SIZE, 1)),
        ("jax_decoder", lambda z: decode(p, z), ("B", LATENT)),
        ("jax_autoencoder", both, ("B", SIZE, SIZE, 1)),
    ):
        to_onnx(function, [shape], return_mode="file", output_path=str(HERE / f"{name}.onnx"))


if __name__ == "__main__":
    main()
