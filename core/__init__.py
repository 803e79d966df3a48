"""Isoline's core: data, models, training, decoding and the geometry of latent spaces. No Qt anywhere."""

import os

__version__ = "0.1.0"

# ONNX Runtime would report its use to Microsoft (1.29 and later, on every system), from when it is loaded: so before
# anything is imported, for this process and those that it starts.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
