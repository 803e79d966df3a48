"""The stages, in the order a newcomer meets them: look, click, trace a path, follow factors, question, train."""

from __future__ import annotations

from explorer.tour.runner import NamedStage
from explorer.tour.scenario_curves import (
    compare_kinds,
    read_badge,
    ride_rail,
    show_gridlines,
    trace_geodesic,
    turn_kinds,
)
from explorer.tour.scenario_files import film_cloud, run_experiment
from explorer.tour.scenario_look import click_points, drag_probe, hover, open_window, orbit, sliders
from explorer.tour.scenario_path import draw_path, edit_path, export_path, play_path, undo_redo
from explorer.tour.scenario_plane import compare_runs, draw_transect, edit_hole, plane_cursor
from explorer.tour.scenario_train import (
    change_beta,
    click_while_training,
    pause_step_resume,
    replay,
    start_training,
    stop_training,
    watch_cloud,
)

STAGES: list[NamedStage] = [
    ("open", open_window),
    ("orbit", orbit),
    ("hover", hover),
    ("click points", click_points),
    ("drag probe", drag_probe),
    ("probe sliders", sliders),
    ("draw path", draw_path),
    ("edit path", edit_path),
    ("undo and redo", undo_redo),
    ("play path", play_path),
    ("export path", export_path),
    ("trace a geodesic", trace_geodesic),
    ("turn it into every kind", turn_kinds),
    ("ride a rail", ride_rail),
    ("compare kinds of path", compare_kinds),
    ("show gridlines", show_gridlines),
    ("read the badge", read_badge),
    ("plane cursor", plane_cursor),
    ("edit the hole", edit_hole),
    ("draw a transect", draw_transect),
    ("compare two runs", compare_runs),
    ("film the cloud", film_cloud),
    ("run an experiment", run_experiment),
    ("start training", start_training),
    ("watch the cloud", watch_cloud),
    ("change beta", change_beta),
    ("click while training", click_while_training),
    ("pause, step, resume", pause_step_resume),
    ("stop training", stop_training),
    ("replay epochs", replay),
]
