"""The stages, in the order a newcomer meets them: look, click, trace a path, follow factors, question, train,
then one's own images."""

from __future__ import annotations

from explorer.tour import scenario_cloud, scenario_images, scenario_runs
from explorer.tour.runner import NamedStage

STAGES: list[NamedStage] = [
    ("open", scenario_cloud.open_window),
    ("orbit", scenario_cloud.orbit),
    ("hover", scenario_cloud.hover),
    ("click points", scenario_cloud.click_points),
    ("drag probe", scenario_cloud.drag_probe),
    ("probe sliders", scenario_cloud.sliders),
    ("draw path", scenario_cloud.draw_path),
    ("edit path", scenario_cloud.edit_path),
    ("undo and redo", scenario_cloud.undo_redo),
    ("play path", scenario_cloud.play_path),
    ("export path", scenario_cloud.export_path),
    ("trace a geodesic", scenario_cloud.trace_geodesic),
    ("turn it into every kind", scenario_cloud.turn_kinds),
    ("step along a factor curve", scenario_cloud.step_along_curve),
    ("compare kinds of path", scenario_cloud.compare_kinds),
    ("show gridlines", scenario_cloud.show_gridlines),
    ("read the badge", scenario_cloud.read_badge),
    ("save a figure", scenario_cloud.save_figure),
    ("plane cursor", scenario_runs.plane_cursor),
    ("edit the hole", scenario_runs.edit_hole),
    ("draw a transect", scenario_runs.draw_transect),
    ("compare two runs", scenario_runs.compare_runs),
    ("film the cloud", scenario_runs.film_cloud),
    ("share a page", scenario_runs.share_page),
    ("run an experiment", scenario_runs.run_experiment),
    ("start training", scenario_runs.start_training),
    ("watch the cloud", scenario_runs.watch_cloud),
    ("change beta", scenario_runs.change_beta),
    ("click while training", scenario_runs.click_while_training),
    ("pause, step, resume", scenario_runs.pause_step_resume),
    ("stop training", scenario_runs.stop_training),
    ("drop a folder", scenario_images.drop_folder),
    ("inspect", scenario_images.inspect),
    ("train digits", scenario_images.train_digits),
    ("colour by class", scenario_images.colour_by_class),
    ("click a class away", scenario_images.click_class_away),
    ("extend the run", scenario_images.extend_run),
    ("replay epochs", scenario_runs.replay),
]
