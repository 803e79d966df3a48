"""Comparing kinds of path between the ends of the document's path, while somebody looks.

A question is asked once the hand rests, and again when training has changed the weights; the newest wins, and its paths
come one by one. What is answered is drawn in the cloud, too. A frame is a place for the probe, a row a path to take.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import monotonic

import numpy as np

from core.paths.latent_path import LatentPath
from core.paths.recipe import JOINING, RECIPE_KINDS, Recipe, RecipeKind
from core.projects.edited import Document
from core.protocol.messages import ComparePaths, PathCompared, frame
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.controller import Context, Controller
from explorer.controllers.requirements import PATH_NEEDED, missing_decoder
from explorer.views.path_comparison import PathKindsView
from explorer.widgets.controls import on_screen

FRAMES = 17
CURVE_POINTS = 65
EDIT_PAUSE_S = 0.25  # a hand that drags an end is waited for
WEIGHTS_PAUSE_S = 2.0  # from one question to the next while weights change
BETTER_PAUSE_S = 12.0  # until a path that was preliminary is asked for again
PRELIMINARY = "estimated"  # prefix of the note of a path that will be known better
FIRST_KINDS: tuple[RecipeKind, ...] = ("straight", "spherical", "geodesic", "factor curve", "mean difference")
PROBE = "probe on a compared path"
ONE_POINT = "Needs a path of two points or more: add another point with Edit (4)."
SAME_ENDS = "Needs a path with two ends: both are at the same place. Drag one away with Edit (4)."
NO_KINDS = "Choose the kinds of path to compare, at the upper left."
NEEDS_FACTOR = (
    "This kind of path changes a factor, and none is known. Measure the images, or load attributes from a file, in the "
    "Samples panel."
)
UNLABELLED = "No factor is known: paths that change one are left out (measure attributes in Samples)"
_READ_BY = {
    "curves": "factors recovered by the curves' exact inverse",
    "regressor": "factors estimated by a regressor",
}


@dataclass(frozen=True, eq=False)
class _Answer:
    """``points`` float32 (m, d) of one kind, what was asked, and the curve through them float32 (K, d)."""

    points: np.ndarray
    question: ComparePaths
    curve: np.ndarray


class PathComparison(Controller):
    """Binds the panel of path kinds to ``document.path``, to the engine and the cloud. ``tick`` is the clock's."""

    def __init__(self, context: Context, cloud: CloudController, view: PathKindsView) -> None:
        super().__init__(context)
        self._cloud, self._view = cloud, view
        self._kinds: tuple[RecipeKind, ...] = FIRST_KINDS
        self._target = ""  # chosen here, or that of the path's recipe: what a hand did last
        self._recipe: Recipe | None = None
        self._answers: dict[str, _Answer] = {}
        self._wanted: ComparePaths | None = None
        self._asked: ComparePaths | None = None
        self._ask_at: float | None = None
        self._last_asked = -WEIGHTS_PAUSE_S
        self._outdated = False  # other weights than those that were asked
        self._preliminary = False  # something of the answer will be known better
        self._chosen = ("", -1)  # the frame that a hand chose
        self._forward = ""
        self._visible = False
        self._offered: tuple | None = None
        self._dirty = {"question", "cloud"}
        view.set_kinds(self._kinds)
        events = self._state.events
        view.kinds_chosen.connect(self.choose_kinds)
        view.target_chosen.connect(self.choose_target)
        view.table.frame_chosen.connect(self.choose_frame)
        view.table.frame_released.connect(self._editing.settle)
        view.table.path_chosen.connect(self.take)
        view.table.row_hovered.connect(self._bring_forward)
        asking = (events.config, events.document, events.samples, events.attributes)
        self._when((view.shown, *asking), lambda: self._mark("question"))
        self._when((events.embedding, events.display), lambda: self._mark("cloud"))
        self._when((events.model,), lambda: (self._forget(), self._mark("question")))
        self._engine.weights_changed.connect(self._renew)

    @property
    def complete(self) -> bool:
        """Whether everything that was asked is answered."""
        asked = self._asked is not None and _same(self._asked, self._wanted)
        return asked and not self._awaiting and self._ask_at is None

    # hands

    def choose_kinds(self, kinds: tuple[str, ...]) -> None:
        """Compare these, as far as they can be."""
        self._kinds = tuple(kind for kind in RECIPE_KINDS if kind in kinds)
        self._mark("question")

    def choose_target(self, name: str) -> None:
        """The paths shall change ``name``."""
        self._target = name
        self._mark("question")

    def choose_frame(self, kind: str, number: int) -> None:
        """The hand is on a frame: the probe goes there."""
        answer = self._answers.get(kind)
        if answer is not None and 0 <= number < len(answer.points):
            self._chosen = (kind, number)
            self._editing.live(PROBE, probe=answer.points[number], sample=None)

    def take(self, kind: str) -> None:
        """This path becomes the document's."""
        answer = self._answers.get(kind)
        if answer is None or kind not in RECIPE_KINDS:
            return
        asked = answer.question
        recipe = Recipe(kind, asked.start, asked.end, "" if kind in JOINING else asked.target)
        self._recipe = recipe
        self._editing.commit(f"take {kind} path", path=LatentPath(answer.points, recipe=recipe))

    def _bring_forward(self, kind: str) -> None:
        if kind != self._forward:
            self._forward = kind
            self._mark("cloud")

    # what is asked

    def _forget(self) -> None:
        self._answers.clear()
        self._asked = self._wanted = self._ask_at = None
        self._cancel_request()
        self._outdated = self._preliminary = False
        self._view.table.clear()
        self._mark("cloud")

    def _question(self) -> tuple[ComparePaths | None, str]:
        """What is to be compared now; else None and what a person should do."""
        model, path = self._state.model, self._state.document.path
        missing = missing_decoder(self._state, "compare kinds of path between two places of its cloud")
        if model is None or missing:
            return None, missing
        if path is None or path.dim != model.latent_dim:
            return None, PATH_NEEDED
        if len(path) < 2:
            return None, ONE_POINT
        start, end = ends_of(path)
        if np.array_equal(start, end):
            return None, SAME_ENDS
        kinds: tuple[RecipeKind, ...] = tuple(kind for kind in self._kinds if self._target or kind in JOINING)
        if not kinds:
            return None, NO_KINDS
        return ComparePaths(kinds=kinds, start=start, end=end, target=self._target, frames=FRAMES), ""

    def _show_question(self) -> None:
        document = self._state.document
        self._settle_target(document)
        question, missing = self._question()
        self._view.set_empty(missing)
        self._show_document(document)
        if question is None:
            if self._answers or self._asked is not None:
                self._forget()
            self._wanted = None
            self._view.set_message("")
        elif not _same(question, self._wanted):
            self._wanted = question
            first = self._asked is None
            self._ask_at = None if _same(question, self._asked) else monotonic() + (0.0 if first else EDIT_PAUSE_S)

    def _settle_target(self, document: Document) -> None:
        """Offer what can change, and keep the choice among it."""
        names = color_targets.numbers(self._state)
        recipe = document.path.recipe if document.path is not None else None
        if recipe is not None and recipe.target in names and recipe != self._recipe:
            self._target = recipe.target
        self._recipe = recipe
        if self._target not in names:
            self._target = names[0] if names else ""
        if self._offered != (names, self._target):
            self._offered = (names, self._target)
            self._view.set_targets(names, self._target)
            changing = () if names else (kind for kind in RECIPE_KINDS if kind not in JOINING)
            self._view.set_reasons(dict.fromkeys(changing, NEEDS_FACTOR))

    def _show_document(self, document: Document) -> None:
        """Which row is the document's path, and at which frame the probe is."""
        recipe = document.path.recipe if document.path is not None else None
        self._view.table.set_current(recipe.kind if recipe is not None else "")
        frames = [(kind, i) for kind, answer in self._answers.items() for i in range(len(answer.points))]
        frames.sort(key=lambda item: item != self._chosen)  # paths may share a frame
        probe = document.probe if document.probe is not None else np.empty(0)
        at_probe = (item for item in frames if np.array_equal(self._answers[item[0]].points[item[1]], probe))
        self._view.table.set_mark(*next(at_probe, ("", -1)))

    def _ask(self, question: ComparePaths) -> None:
        again = _same(question, self._asked)
        if not again:
            self._answers = {kind: answer for kind, answer in self._answers.items() if kind in question.kinds}
            self._mark("cloud")
        self._view.table.set_kinds(question.kinds, question.target, stale=not again)
        self._asked, self._ask_at, self._last_asked = question, None, monotonic()
        self._outdated = self._preliminary = False
        self._request = self._engine.request(question, self._on_compared, self._on_error)
        self._view.set_message(f"Comparing {len(question.kinds)} kinds…")

    # each tick

    def tick(self) -> None:
        """Ask what is due and show what has changed, as far as the panel can be seen."""
        visible = on_screen(self._view)
        if visible != self._visible:
            self._visible = visible
            self._dirty.update(("question", "cloud") if visible else ("cloud",))
        if visible:
            if "question" in self._dirty:
                self._dirty.discard("question")
                self._show_question()
            self._ask_if_due()
        if "cloud" in self._dirty:
            self._dirty.discard("cloud")
            self._show_cloud()

    def _ask_if_due(self) -> None:
        now = monotonic()
        if self._wanted is None:
            return
        due = self._ask_at is not None and now >= self._ask_at
        # One that is not answered yet is let finish: else it never would while a training goes on.
        pause = WEIGHTS_PAUSE_S if self._outdated else BETTER_PAUSE_S if self._preliminary else np.inf
        again = self._asked is not None and not self._awaiting and now >= self._last_asked + pause
        if due or (again and self._ask_at is None):
            self._ask(self._wanted)

    def _show_cloud(self) -> None:
        projection = self._cloud.projection
        answers = self._answers if self._visible and projection is not None else {}
        curves = [
            (kind, projection.to_view(answer.curve))
            for kind, answer in answers.items()
            if projection is not None and answer.curve.shape[1] == len(projection.origin)
        ]
        self._cloud.view.set_kinds(curves, self._forward)

    # the engine

    def _on_error(self, text: str) -> None:
        self._view.set_message(text, "error")

    def _renew(self) -> None:
        self._outdated = True

    def _on_compared(self, reply: PathCompared) -> None:
        question = self._asked
        if question is None:
            return
        self._view.table.set_path(reply)
        self._preliminary = self._preliminary or reply.note.startswith(PRELIMINARY)
        if len(reply.points):
            curve = LatentPath(reply.points).sample(CURVE_POINTS)
            self._answers[reply.kind] = _Answer(reply.points, question, curve)
        else:
            self._answers.pop(reply.kind, None)
        self._mark("cloud")
        self._mark("question")
        if not reply.final:
            self._view.set_message(f"Compared {reply.index + 1} of {reply.total}…")
            return
        if not question.target:
            self._view.set_message(UNLABELLED)
        else:
            read = _READ_BY.get(reply.truth, "")
            self._view.set_message(f"{FRAMES} frames each" + (f" · {read}" if read else ""))


def ends_of(path: LatentPath) -> tuple[np.ndarray, np.ndarray]:
    """The places float32 (d,) between which ``path`` is compared: those of its recipe if it has both, else its own."""
    recipe = path.recipe
    if recipe is not None and recipe.end is not None:
        return recipe.start, recipe.end
    return path.control[0], path.control[-1]


def _same(question: ComparePaths, other: ComparePaths | None) -> bool:
    """Whether both ask for the same paths."""
    return other is not None and frame(question) == frame(other)
