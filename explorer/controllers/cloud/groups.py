"""Groups: named sets of samples that a person makes of the selection, selects again, renames and deletes."""

from __future__ import annotations

import dataclasses

import numpy as np

from core.projects.edited import Group
from core.utils.text import counted
from explorer.controllers.cloud import color_targets
from explorer.controllers.cloud.cloud import CloudController
from explorer.controllers.cloud.color_targets import GROUPS
from explorer.controllers.controller import Context, Controller
from explorer.views.points import PointsView

LONGEST_NAME = 120  # characters


class GroupsController(Controller):
    """Binds the groups of the Samples panel to ``state.groups``."""

    def __init__(self, context: Context, cloud: CloudController, view: PointsView) -> None:
        super().__init__(context)
        self._cloud, self._view = cloud, view
        view.group_requested.connect(self.add)
        view.group_chosen.connect(self.select)
        view.group_renamed.connect(self.rename)
        view.group_removed.connect(self.remove)
        events = self._state.events
        self._when((events.groups,), self._show)
        self._when((events.selected,), self._show_selected)

    def add(self) -> None:
        """Make a group of the selected samples; its name is open to be typed over."""
        selected, groups = self._state.selected, self._state.groups
        if selected is None:
            self.refused.emit("No samples are selected. Drag a rectangle around some with Select (5).")
            return
        taken = {group.name for group in groups}
        name = next(name for i in range(1, len(groups) + 2) if (name := f"group {i}") not in taken)
        positions = np.array(selected)
        positions.setflags(write=False)
        label = f"make {name} of {counted(len(positions), 'sample')}"
        self._editing.commit(label, groups=(*groups, Group(name, positions)))
        self._view.rename_group(len(groups))

    def select(self, number: int) -> None:
        """Select the samples of a group."""
        self._cloud.select(self._state.groups[number].positions, False)

    def rename(self, number: int, name: str) -> None:
        """Call a group ``name``; one that is empty, too long or taken is refused."""
        groups, before, name = self._state.groups, self._state.groups[number].name, name.strip()
        if not 0 < len(name) <= LONGEST_NAME:
            self.refused.emit(f"{before} keeps its name: another one has 1 to {LONGEST_NAME} characters.")
        elif name in (group.name for group in groups[:number] + groups[number + 1 :]):
            self.refused.emit(f"{before} keeps its name: there is a group named {name} already.")
        elif name != before:
            renamed = dataclasses.replace(groups[number], name=name)
            changed = (*groups[:number], renamed, *groups[number + 1 :])
            self._editing.commit(f"rename {before} to {name}", groups=changed)
            return
        self._show()

    def remove(self, number: int) -> None:
        """Delete a group; its samples stay as they are."""
        groups, hidden = self._state.groups, self._state.hidden
        if self._state.display.color_by == GROUPS:  # those after it move up
            hidden = frozenset(place - (place > number) for place in hidden if place != number)
        left = groups[:number] + groups[number + 1 :]
        self._editing.commit(f"delete {groups[number].name}", groups=left, hidden=hidden)

    def _show(self) -> None:
        groups = self._state.groups
        also = color_targets.also_before(groups)
        self._view.set_groups(
            [(group.name, len(group.positions), count) for group, count in zip(groups, also, strict=True)]
        )

    def _show_selected(self) -> None:
        selected = self._state.selected
        self._view.set_groupable(0 if selected is None else len(selected))
