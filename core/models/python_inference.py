"""A model that is a function of another process: the Python program that opened the window asks it for us."""

from __future__ import annotations

from threading import Lock

import numpy as np

from core.models.inference import NO_DECODER, NO_ENCODER, Inference, MissingPartError
from core.protocol.python_channel import (
    CallFailed,
    ChannelError,
    ChannelMessage,
    DecodeCall,
    EncodeCall,
    ImagesReturned,
    MeansReturned,
    connect,
)
from core.runs.imported import PythonFunctions


class PythonCallError(RuntimeError):
    """The function raised, returned what cannot be used, or its program has ended; the message is for a person."""


class PythonInference(Inference):
    """Asks over the channel that this process is given. Raises ``PythonCallError`` if the program has ended."""

    precision = "float32"

    def __init__(self, functions: PythonFunctions, latent_dim: int, image_size: int, channels: int) -> None:
        self.latent_dim, self.image_size, self.channels = latent_dim, image_size, channels
        self.can_decode, self.can_encode = functions.decodes, functions.encodes
        self._lock = Lock()
        try:
            self._channel = connect("engine")
        except ChannelError as error:
            raise PythonCallError(_ENDED) from error

    def decode(self, z: np.ndarray) -> np.ndarray:
        z = np.ascontiguousarray(z, np.float32)
        self.check_latents(z)
        if not self.can_decode:
            raise MissingPartError(NO_DECODER)
        reply = self._call(DecodeCall(z=z))
        shape = (len(z), self.image_size, self.image_size, self.channels)
        if not isinstance(reply, ImagesReturned) or reply.images.dtype != np.uint8 or reply.images.shape != shape:
            raise PythonCallError("The Python program that opened this window answered decode by something else.")
        return np.array(reply.images)  # writable: that of the message is not

    def encode(self, images: np.ndarray) -> np.ndarray:
        self.check_images(images)
        if not self.can_encode:
            raise MissingPartError(NO_ENCODER)
        reply = self._call(EncodeCall(images=images))
        shape = (len(images), self.latent_dim)
        if not isinstance(reply, MeansReturned) or reply.mu.dtype != np.float32 or reply.mu.shape != shape:
            raise PythonCallError("The Python program that opened this window answered encode by something else.")
        return np.array(reply.mu)

    def _call(self, message: ChannelMessage) -> ChannelMessage:
        try:
            with self._lock:  # one call at a time, whichever thread asks
                self._channel.send(message)
                reply = self._channel.receive()
        except ChannelError as error:
            raise PythonCallError(_ENDED) from error
        if isinstance(reply, CallFailed):
            raise PythonCallError(reply.reason)
        return reply


_ENDED = "The Python program that opened this window has ended, and its functions with it."
