"""Playing a path: which latents its frames are, decoding them, the moving marker, and export.

A path has K frames at equal steps of latent length, or of image length. Image length is known only after frames were
decoded: the first pass decodes equal latent steps, and its images give the table that places the second pass.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

import msgspec
import numpy as np
from PySide6.QtCore import Signal

from core.geometry.off_manifold import OffManifoldScore, off_share
from core.paths.latent_path import ImageLength, LatentPath, image_length_table
from core.projects.edited import Document, Playback, Speed
from core.protocol.figures import LEAST_FRAME, MOST_FRAME, FrameLook
from core.protocol.messages import DecodePath, Export, Exported, ExportProgress, FindNearest, NearestFound, PathFrames
from core.utils.text import counted
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.color_targets import label_texts
from explorer.controllers.cloud.nearest import SHOWN, show_nearest
from explorer.controllers.controller import Context, Controller
from explorer.controllers.requirements import PATH_NEEDED, missing_decoder, missing_frames
from explorer.engine_client import PendingRequest
from explorer.state import Model
from explorer.views.filmstrip import FilmstripView
from explorer.views.image import ImageView
from explorer.views.path import PathView

SECONDS_PER_PASS = 4.0
EDIT_PAUSE_S = 0.12
WEIGHTS_PAUSE_S = 2.0
LONGEST_TICK_S = 0.25


@dataclass
class _Frames:
    """Frames of one pass along ``path``: parameters s (K,) in latent arc length, latents z (K, d), images and badges as
    they arrive. ``nearest`` are the samples nearest to each frame where no decoder draws it."""

    path: LatentPath
    speed: Speed
    s: np.ndarray
    z: np.ndarray
    known: np.ndarray
    scores: list[OffManifoldScore | None]
    images: np.ndarray | None = None
    nearest: NearestFound | None = None


class PlaybackController(Controller):
    """Binds transport, film strip, marker and image to ``state.playback``."""

    exported = Signal(str)
    placed = Signal()
    """It is known which latents the frames show."""

    def __init__(
        self, context: Context, cloud: CloudController, view: PathView, film: FilmstripView, image: ImageView
    ) -> None:
        super().__init__(context)
        self._cloud, self._view, self._film, self._image = cloud, view, film, image
        self._path: LatentPath | None = None
        self._frames: _Frames | None = None
        self._table: ImageLength | None = None
        self._decode_at: float | None = None
        self._outdated = False  # the weights have changed since the frames were first asked for
        self._last_tick = monotonic()
        self._shown_frame: tuple[int, int] | None = None
        self._export: PendingRequest | None = None
        events = self._state.events
        view.play_toggled.connect(self.set_playing)
        view.scrubbed.connect(self.scrub)
        editing = self._editing
        view.loop_toggled.connect(lambda loop: editing.commit("play in a loop" if loop else "play once", loop=loop))
        view.speed_changed.connect(lambda rate: editing.adjust("playback speed", rate=rate))
        view.unit_changed.connect(lambda unit: editing.commit(f"even steps of {unit} length", speed=Speed(unit)))
        view.frames_changed.connect(lambda frames: editing.adjust("number of frames", frames=frames))
        view.cancel_export_requested.connect(self.cancel_export)
        self._film.frame_chosen.connect(self.scrub)
        events.document.connect(self._on_document)
        events.model.connect(self._on_model)
        self._when((events.config, events.model), self._show_empty)
        events.playback.connect(self._on_playback)
        self._when((events.display, events.embedding), lambda: self._mark("marker"))  # other axes, or other components
        self._engine.weights_changed.connect(self._on_weights)
        view.look_changed.connect(self._on_look)
        self.look = self._remembered_look()
        view.set_look(self.look)
        self._show_settings(self._state.playback)
        self._show_empty()

    def _set(self, **fields: object) -> None:
        """Move along the path, or rest: that is no step of undo."""
        self._state.playback = dataclasses.replace(self._state.playback, **fields)  # pyright: ignore[reportArgumentType]

    # transport

    def set_playing(self, playing: bool) -> None:
        """Play or pause; playing from the end starts at the beginning."""
        if playing and not self._playable():
            self._show_settings(self._state.playback)
            return
        position = self._state.playback.position
        restart = playing and not self._state.playback.loop and position >= 1.0
        self._last_tick = monotonic()
        self._set(playing=playing, position=0.0 if restart else position)

    def toggle(self) -> None:
        """Space: play or pause."""
        self.set_playing(not self._state.playback.playing)

    def scrub(self, position: float) -> None:
        """Go to ``position`` (0 to 1) and stay there."""
        if self._playable():
            self._set(position=float(np.clip(position, 0.0, 1.0)), playing=False)

    def seek(self, s: float) -> None:
        """Go to the share ``s`` (0 to 1) of the path's latent length and stay there, whatever its speed."""
        table = self._image_table
        self.scrub(float(table.from_latent(s)) if table is not None else s)

    @property
    def _image_table(self) -> ImageLength | None:
        """What places the frames at equal steps of image length, if they are played so and it is known."""
        return self._table if self._state.playback.speed is Speed.IMAGE else None

    @property
    def share(self) -> float:
        """Where the marker is, as a share of the path's latent length."""
        table, position = self._image_table, self._state.playback.position
        return float(table.to_latent(position)) if table is not None else position

    def step(self, frames: int) -> None:
        """Move by whole frames (arrow keys)."""
        count = self._state.playback.frames
        here = round(self._state.playback.position * (count - 1))
        self.scrub((here + frames) / (count - 1))

    def _show_empty(self) -> None:
        purpose = "see the images along a path through its cloud"
        self._film.set_empty(missing_frames(self._state, purpose) or PATH_NEEDED)
        missing = "" if self._state.model is None else missing_decoder(self._state, purpose)
        self._view.set_missing(missing, "" if self._state.model is None else missing_frames(self._state, purpose))
        if missing and self._state.playback.speed is Speed.IMAGE:
            self._editing.refine(speed=Speed.LATENT)

    def _playable(self) -> bool:
        return self._path is not None and len(self._path) > 1

    # what has to be decoded

    def _on_model(self, model: Model | None) -> None:
        if model is None:
            self.cancel_export()  # it was of the run before
        self._schedule(0.0)

    def _on_document(self, document: Document) -> None:
        if document.path is self._path:
            return
        self._path = document.path
        self._table = None
        if not self._playable():
            self._frames = None
            self._film.set_frames(0)
            self._cloud.view.set_marker(None)
            self._view.set_info("")
            self._decode_at = None
            if self._state.playback.playing or self._state.playback.position:
                self._set(playing=False, position=0.0)
            return
        self._shown_frame = None
        if self._path is not None:  # the rest is another path's until the frames are decoded
            self._view.set_info(f"latent length {self._path.length:.3g}")
        self._schedule(EDIT_PAUSE_S if self._frames is not None else 0.0)

    def _on_playback(self, now: Playback, before: Playback) -> None:
        self._show_settings(now)
        if now.frames != before.frames:
            self._table = None  # so that path, frames and weights alone decide which latents are decoded
        if (now.frames, now.speed) != (before.frames, before.speed):
            self._schedule(0.0)
        if now.position != before.position:
            self._show_position()

    def _schedule(self, seconds: float) -> None:
        """Decode the frames after a pause, so that a drag does not decode a path that is gone the next moment."""
        if self._playable() and self._decode_at is None:
            self._decode_at = monotonic() + seconds

    def _decode(self) -> None:
        path, playback = self._path, self._state.playback
        if path is None or self._state.model is None:
            return
        even = np.linspace(0.0, 1.0, playback.frames)
        table = self._image_table
        s = table.to_latent(even) if table is not None else even
        speed = Speed.LATENT if table is None else Speed.IMAGE
        self._outdated = self._outdated and table is not None  # which is of the weights before
        self._frames = frames = _Frames(path, speed, s, path.at(s), np.zeros(len(s), dtype=bool), [None] * len(s))
        if missing_decoder(self._state, ""):
            request = FindNearest(z=frames.z, count=SHOWN, channel="path")
            self._request = self._engine.request(request, partial(self._take_nearest, frames))
            self._film.set_frames(0 if missing_frames(self._state, "") else len(s))
        else:
            self._request = self._engine.request(DecodePath(z=frames.z), partial(self._take, frames))
            self._film.set_frames(len(s))
        self.placed.emit()

    @property
    def latents(self) -> np.ndarray | None:
        """What the frames show, float32 (K, d); None without a path, and while its image speed is not known."""
        path, playback, frames = self._path, self._state.playback, self._frames
        if path is None:
            return None
        if playback.speed is Speed.LATENT:
            return path.at(np.linspace(0.0, 1.0, playback.frames))
        known = frames is not None and frames.path is path and frames.speed is Speed.IMAGE
        return frames.z if known and frames is not None and len(frames.s) == playback.frames else None

    @property
    def decoded(self) -> _Frames | None:
        """The frames of the path, once all of them have come."""
        frames = self._frames
        return frames if frames is not None and frames.path is self._path and frames.known.all() else None

    def _on_weights(self) -> None:
        self._outdated = True

    def _renew(self) -> None:
        self._schedule(0.0)

    def _take(self, frames: _Frames, reply: PathFrames) -> None:
        if frames is not self._frames:
            return  # the path is gone
        if frames.images is None:
            frames.images = np.zeros((reply.total, *reply.images.shape[1:]), dtype=np.uint8)
        stop = reply.start + len(reply.images)
        frames.images[reply.start : stop] = reply.images
        frames.known[reply.start : stop] = True
        self._film.set_images(reply.start, reply.images)
        if len(reply.off_manifold_score) == len(reply.gap) == len(reply.images):
            pairs = zip(reply.off_manifold_score.tolist(), reply.gap.tolist(), strict=True)
            frames.scores[reply.start : stop] = [OffManifoldScore(s, reply.threshold, gap) for s, gap in pairs]
        elif reply.doubt:
            nothing = OffManifoldScore(np.nan, np.nan, np.nan, reply.doubt)
            frames.scores[reply.start : stop] = [nothing] * len(reply.images)
        self._film.set_scores(reply.start, frames.scores[reply.start : stop])
        if frames.known.all():
            self._finish(frames, frames.images)
        self._shown_frame = None
        self._show_position(image=self._state.playback.playing or self._state.playback.position > 0.0)

    def _take_nearest(self, frames: _Frames, reply: NearestFound) -> None:
        if frames is not self._frames:
            return  # the path is gone
        frames.nearest = reply
        nearest = reply.places[:, 0]
        if len(reply.images):
            if frames.images is None:
                frames.images = np.zeros((len(nearest), *reply.images.shape[1:]), dtype=np.uint8)
            for place, image in zip(reply.image_places, reply.images, strict=True):
                for number in np.flatnonzero(nearest == place).tolist():
                    frames.images[number] = image
                    frames.known[number] = True
                    self._film.set_images(number, image[None])
        elif reply.final:
            frames.known[:] = True
        names, samples = [], self._state.samples
        if samples is not None and nearest.max() < len(samples.indices):
            names = [color_targets.sample_name(samples, place) for place in nearest.tolist()]
        again = " · the same as before"
        same = [again if number and nearest[number] == nearest[number - 1] else "" for number in range(len(nearest))]
        captions = [
            f"nearest sample: {name}, distance {far:.3g}{repeated}"
            for name, far, repeated in zip(names, reply.distances[:, 0].tolist(), same, strict=False)
        ]
        self._film.set_captions(captions)
        different = counted(len(np.unique(nearest)), "different sample")
        self._view.set_info(
            f"latent length {frames.path.length:.3g} · nearest samples, not decoded: {different} in {len(nearest)} "
            f"frames, at most {reply.distances[:, 0].max():.3g} away"
        )
        self._shown_frame = None
        self._show_position(image=self._state.playback.playing or self._state.playback.position > 0.0)

    def _finish(self, frames: _Frames, images: np.ndarray) -> None:
        even = frames.speed is Speed.LATENT and len(frames.s) == self._state.playback.frames
        if self._table is None and even and frames.path is self._path:
            self._table = image_length_table(images, frames.s)
            if self._state.playback.speed is Speed.IMAGE:
                self._schedule(0.0)
        path, table = self._path, self._table
        if path is not None and table is not None:
            share = off_share(frames.scores)
            off = f" · {100 * share:.0f} % off the data" if share is not None else ""
            self._view.set_info(
                f"latent length {path.length:.3g}{off} · image length {table.length:.3g} (over {table.count} frames)"
            )

    # each tick

    def tick(self) -> None:
        """Advance the marker and start decodes that are due."""
        now = monotonic()
        # What a computer has slept through, or a window was stopped for, was not played.
        elapsed, self._last_tick = min(now - self._last_tick, LONGEST_TICK_S), now
        # What is under way is finished before newer weights begin it again, or a long path never would be.
        if self._outdated and self._decode_at is None and not self._awaiting:
            self._table = None
            self._schedule(WEIGHTS_PAUSE_S)
        if self._decode_at is not None and now >= self._decode_at:
            self._decode_at = None
            self._decode()
        if self._dirty:
            self._dirty.clear()
            self._show_marker()
        playback = self._state.playback
        if not playback.playing:
            return
        position = playback.position + elapsed * playback.rate / SECONDS_PER_PASS
        if position >= 1.0:
            if playback.loop:
                position %= 1.0
            else:
                self._set(position=1.0, playing=False)
                return
        self._set(position=position)

    def _show_marker(self) -> bool:
        """Mark the path's place in the cloud; False if there is none."""
        projection = self._cloud.projection
        if self._path is None or projection is None or not self._playable():
            return False
        self._cloud.view.set_marker(projection.to_view(self._path.at(self.share)))
        return True

    def _show_position(self, image: bool = True) -> None:
        path, position = self._path, self._state.playback.position
        self._view.set_position(position)
        self._film.set_position(position)
        if path is None or not self._show_marker():
            return
        s, frames = self.share, self._frames
        if not image or frames is None or (frames.images is None and frames.nearest is None):
            return
        nearest, count = int(np.abs(frames.s - s).argmin()), self._state.playback.frames
        here = round(position * (count - 1))  # as the transport counts; the image is the nearest that is decoded
        if frames.known[nearest] and (nearest, here) != self._shown_frame:
            self._shown_frame = nearest, here
            caption = f"Path frame {here + 1} of {count}"
            if frames.nearest is not None:
                picture = None if frames.images is None else frames.images[nearest]
                show_nearest(self._state, self._image, frames.nearest, nearest, picture, caption)
                return
            if frames.images is None:
                return
            self._image.clear_sample()
            self._image.set_image(frames.images[nearest], caption, score=frames.scores[nearest])

    def _show_settings(self, playback: Playback) -> None:
        settings = (playback.playing, playback.loop, playback.rate, playback.speed.value, playback.frames)
        self._view.set_playback(*settings)

    # export

    def _remembered_look(self) -> FrameLook:
        try:
            look = msgspec.json.decode(self._settings.path_export, type=FrameLook)
        except msgspec.MsgspecError:  # nothing yet, or of another version
            return FrameLook()
        return look if look.size == 0 or LEAST_FRAME <= look.size <= MOST_FRAME else FrameLook()

    def _on_look(self, look: FrameLook) -> None:
        self.look = look
        self._settings.path_export = msgspec.json.encode(look).decode()

    def _captions(self, z: np.ndarray) -> tuple[tuple[str, ...], ...]:
        """What stands below the frames of latents z (K, d), as the look asks for; nothing if it asks for none."""
        lines: list[list[str]] = [[f"{i / (len(z) - 1):.2f}"] if self.look.positions else [] for i in range(len(z))]
        if self.look.labels:
            lines = [before + texts for before, texts in zip(lines, label_texts(self._state, z), strict=True)]
        return tuple(map(tuple, lines)) if any(lines) else ()

    def export(self, target: Path, kind: str) -> None:
        """Write the path's frames to ``target`` as png, gif, mp4 or npz."""
        path, playback = self._path, self._state.playback
        missing = missing_frames(self._state, "export the images along a path")
        if missing:
            self.refused.emit(missing)
            return
        if path is None or not self._playable():
            self.refused.emit(
                "There is no path to export. Draw one with Draw (3), add points with Edit (4), or trace one (6)."
            )
            return
        z = self.latents
        if z is None:
            z = path.at(np.linspace(0.0, 1.0, playback.frames))
        seconds = SECONDS_PER_PASS / playback.rate
        metadata = {"path": path.to_dict(), "speed": playback.speed.value}
        message = Export(
            z=z,
            path=str(target),
            format=kind,
            fps=len(z) / seconds,
            metadata=json.dumps(metadata),
            look=self.look,
            captions=self._captions(z),
        )
        self._export = self._engine.request(message, self._on_exported, self._end_export)
        self._view.set_export_progress(0.0)

    def cancel_export(self) -> None:
        """Stop an export that is under way; nothing is left on disk."""
        if self._export is not None:
            self._export.cancel()
            self._end_export()

    def _on_exported(self, reply: ExportProgress | Exported) -> None:
        if isinstance(reply, Exported):
            self._end_export()
            self.exported.emit(reply.path)
        else:
            self._view.set_export_progress(reply.fraction)

    def _end_export(self, _: str = "") -> None:
        self._export = None
        self._view.set_export_progress(None)
