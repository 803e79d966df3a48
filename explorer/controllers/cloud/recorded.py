"""How many of a run's samples are drawn, where not all are encoded yet with the weights that the cloud is of."""

from __future__ import annotations

from core.runs.commands import fill_command
from explorer.controllers.app.open_run import OpenRun
from explorer.controllers.controller import Context, Controller
from explorer.views.points import PointsView


class RecordedController(Controller):
    """Says so in the panel Points, and shows an epoch anew when more of its means have been recorded."""

    def __init__(self, context: Context, open_run: OpenRun, view: PointsView) -> None:
        super().__init__(context)
        self._open_run, self._view = open_run, view
        self._grown: tuple[int, int] | None = None
        events = self._state.events
        self._when((events.embedding, events.recorded, events.epoch, events.training), self._show)
        context.watcher.recorded.connect(self._on_recorded)
        open_run.opened.connect(self._on_opened)
        self._show()

    def _on_opened(self) -> None:
        self._grown = None
        self._show()

    def _on_recorded(self, grown: tuple[int, int]) -> None:
        self._grown = epoch, count = grown
        means = self._state.embedding
        if self._state.epoch == epoch and means is not None and len(means) != count:
            self._open_run.show_epoch(epoch)
        self._show()

    def _show(self) -> None:
        run = self._open_run.run
        self._view.set_recorded(self._text(), "" if run is None else fill_command(run.path))

    def _text(self) -> str:
        """What a person should know of how many samples are drawn; "" where all are."""
        state, run = self._state, self._open_run.run
        means, every = state.embedding, state.all_samples
        if run is None or means is None or every is None or len(means) == len(every.indices):
            return ""
        count = f"{len(means):,} of {len(every.indices):,} samples"
        newest = state.epochs[-1] if state.epochs else None
        if state.epoch is not None and state.epoch != newest:
            return f"{count} are drawn: older epochs keep no more."
        active = state.is_training
        if state.epoch is not None:
            return f"{count} recorded {'so far ' if active else ''}with the weights of epoch {state.epoch}."
        if not active:
            return f"{count} recorded with these weights. isoline encode RUN --fill adds the others."
        epoch, grown = self._grown or (0, 0)
        more = f"; {grown:,} with those of epoch {epoch} (timeline)" if grown > len(means) else ""
        pause = " A pause adds the others." if state.training == "running" else ""
        return f"{count} recorded so far with the newest weights{more}.{pause}"
