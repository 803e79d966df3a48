"""Trains a small VAE in Keras and exports it to ONNX, by ``Model.export`` and by tf2onnx.

Not run by the tests, which read the files that it made beside it. In an environment of its own:

    python3 -m venv keras && keras/bin/pip install tensorflow-cpu tf2onnx onnx
    keras/bin/python tests/foreign_models/export_keras.py

Made with TensorFlow 2.21, Keras 3.15, tf2onnx 1.17. Images are NHWC, in colour; the encoder divides by 255 itself.
"""

import os
from pathlib import Path

os.environ |= {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}

import keras
import numpy as np
import tensorflow as tf
import tf2onnx
from blobs import SIZE, blobs
from keras import layers

HERE = Path(__file__).parent
LATENT = 2


class Sampling(layers.Layer):
    def __init__(self, **options):
        super().__init__(**options)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, inputs):
        mean, log_variance = inputs
        self.add_loss(2e-5 * keras.ops.mean(mean**2 + keras.ops.exp(log_variance) - log_variance - 1.0))
        return mean + keras.ops.exp(0.5 * log_variance) * keras.random.normal(keras.ops.shape(mean), seed=self.seeds)


def networks():
    image = keras.Input((SIZE, SIZE, 3), name="image")
    h = layers.Rescaling(1.0 / 255.0)(image)
    h = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(h)
    h = layers.Dense(16, activation="relu")(layers.Flatten()(h))
    mean, log_variance = layers.Dense(LATENT, name="z_mean")(h), layers.Dense(LATENT, name="z_log_var")(h)
    encoder = keras.Model(image, [mean, log_variance], name="encoder")
    z = keras.Input((LATENT,), name="z_sampling")
    h = layers.Dense(16, activation="relu")(z)
    h = layers.Reshape((4, 4, 4))(layers.Dense(64, activation="relu")(h))
    h = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(h)
    h = layers.Conv2DTranspose(3, 3, strides=2, padding="same", activation="sigmoid")(h)
    decoder = keras.Model(z, h, name="decoder")
    sampled = Sampling(name="z")([mean, log_variance])
    return encoder, decoder, keras.Model(image, decoder(sampled))


def main():
    keras.utils.set_random_seed(0)
    encoder, decoder, vae = networks()
    images = blobs(2000, channels=3)[0].astype(np.float32)
    vae.compile(keras.optimizers.Adam(5e-3), loss="mse")
    vae.fit(images, images / 255.0, epochs=60, batch_size=50, verbose=0)
    print("error", vae.evaluate(images, images / 255.0, verbose=0))
    decoder(encoder(images[:1])[0])  # a model that was never called is not exported
    encoder.export(str(HERE / "keras_encoder.onnx"), format="onnx", verbose=False)
    decoder.export(str(HERE / "keras_decoder.onnx"), format="onnx", verbose=False)
    stated = (tf.TensorSpec((None, LATENT), tf.float32, name="z"),)
    function = tf.function(lambda z: decoder(z), input_signature=stated)
    tf2onnx.convert.from_function(function, stated, opset=15, output_path=str(HERE / "tf2onnx_decoder.onnx"))
    # An operator that tf2onnx has no translation for stays in the file: reading it must be refused.
    sampled = Sampling()(encoder.outputs)
    stated = (tf.TensorSpec((None, SIZE, SIZE, 3), tf.float32, name="image"),)
    function = tf.function(lambda image: keras.Model(encoder.input, sampled)(image), input_signature=stated)
    tf2onnx.convert.from_function(function, stated, opset=15, output_path=str(HERE / "tf2onnx_sampling.onnx"))


if __name__ == "__main__":
    main()
