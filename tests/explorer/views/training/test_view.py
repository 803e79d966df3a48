"""The training panel: a form that makes checked configurations, and the controls of a training."""

from __future__ import annotations

import dataclasses

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QProgressBar,
    QSpinBox,
    QWidget,
)

from core.config import (
    PRESETS,
    SECTIONS,
    SETTINGS,
    ConfigError,
    DataConfig,
    ModelConfig,
    RunConfig,
    TrainingConfig,
    preset_config,
)
from explorer.views.training import TrainingView
from explorer.views.training.form import flatten
from explorer.widgets.theme import LIGHT

LEFT = Qt.MouseButton.LeftButton


@pytest.fixture
def view(qtbot) -> TrainingView:
    made = TrainingView()
    qtbot.addWidget(made)
    made.resize(300, 900)
    made.show()
    return made


@pytest.fixture
def said(view) -> list:
    heard: list = []
    for name in ("pause", "resume", "step", "epoch", "stop"):
        getattr(view, f"{name}_requested").connect(lambda name=name: heard.append(name))
    view.start_requested.connect(lambda config: heard.append(("start", config)))
    view.hyperparameters_changed.connect(lambda values: heard.append(("live", values)))
    return heard


def _find(view: QWidget, name: str) -> QWidget:
    found = view.findChild(QWidget, f"training.{name}")
    assert found is not None, name
    return found


def _unfold(view: QWidget) -> None:
    """The settings that few need, whose fields are made when they are first shown."""
    for section in SECTIONS:
        QTest.mouseClick(_find(view, f"more.{section}"), LEFT)


def _type(field: QWidget, text: str) -> None:
    edit = field.findChild(QLineEdit) if isinstance(field, QAbstractSpinBox) else field
    edit.setFocus()
    edit.selectAll()
    QTest.keyClick(edit, Qt.Key.Key_Delete)
    QTest.keyClicks(edit, text)
    QTest.keyClick(edit, Qt.Key.Key_Return)


def _own_images(view: QWidget) -> None:
    button = _find(view, "data.source.files")
    QTest.mouseClick(button, LEFT, pos=QPoint(6, button.height() // 2))


def _choose(box: QWidget, text: str) -> None:
    assert isinstance(box, QComboBox)
    box.setFocus()
    QTest.keyClick(box, Qt.Key.Key_Home)
    while box.currentText() != text:
        before = box.currentIndex()
        QTest.keyClick(box, Qt.Key.Key_Down)
        assert box.currentIndex() != before, f"{text} is not offered"


# the form


def test_every_setting_of_a_run_has_its_field(view):
    _unfold(view)
    for name in flatten(RunConfig()):
        _find(view, name)


def test_settings_that_are_set_before_they_are_unfolded_are_shown_and_kept(view):
    config = RunConfig(model=ModelConfig(sigma=0.3), training=TrainingConfig(seed=5))
    view.form.set_config(config)
    assert view.form.config() == config
    _unfold(view)
    assert _find(view, "training.seed").value() == 5
    _type(_find(view, "training.seed"), "6")
    assert view.form.config().training.seed == 6
    assert view.form.config().model == config.model


def test_what_to_train_on_comes_first_and_the_curves_settings_only_with_the_curves(view):
    """The first control below the title is the choice of images; nothing of the study is in the way of one's own."""
    files, curves = _find(view, "data.source.files"), _find(view, "data.source.curves")
    basic = [name for name, setting in SETTINGS.items() if not setting.row.advanced]
    tops = {name: _find(view, name).mapTo(view, QPoint(0, 0)).y() for name in basic if _find(view, name).isVisible()}
    assert min(tops, key=lambda name: tops[name]) == "data.source"
    QTest.mouseClick(files, LEFT, pos=QPoint(6, files.height() // 2))
    for name in ("count", "punctured", "hole_a", "hole_b", "hole_radius"):
        assert not _find(view, f"data.{name}").isVisible(), name
    assert _find(view, "data.path").isVisible()
    QTest.mouseClick(_find(view, "more.data"), LEFT)
    QTest.mouseClick(_find(view, "more.model"), LEFT)
    for name in ("data.geometry", "data.weighted", "model.native_size"):
        assert not _find(view, name).isVisible(), name
    QTest.mouseClick(curves, LEFT, pos=QPoint(6, curves.height() // 2))
    for name in ("data.hole_radius", "data.geometry", "model.native_size"):
        assert _find(view, name).isVisible(), name
    assert not _find(view, "data.path").isVisible()


def test_labels_tips_and_ranges_come_from_the_configuration(view):
    """A setting is one field of core.config: nothing about it stands in the form a second time."""
    _unfold(view)
    for name, setting in SETTINGS.items():
        control = _find(view, name)
        assert control.accessibleName() == setting.row.label
        assert control.accessibleDescription() == setting.help
        if isinstance(control, QSpinBox):
            assert control.minimum() == setting.low
            assert setting.high is None or control.maximum() == setting.high


@pytest.mark.parametrize("preset", PRESETS)
def test_a_configuration_goes_in_and_comes_out_the_same_silently(view, said, preset):
    config = preset_config(preset)
    view.form.set_config(config)
    assert view.form.config() == config
    assert said == []


def test_unusual_values_survive_the_form(view):
    config = RunConfig(
        data=DataConfig(seed=7, hole_a=-1.5, validation_fraction=0.25, count=9_999_999, image_size=33),
        model=ModelConfig(latent_dim=64, variance="learned"),
        training=TrainingConfig(learning_rate=3.7e-9, warmup=0.0, clip=0.0, devices=2),
    )
    view.form.set_config(config)
    assert view.form.config() == config


def test_typing_and_choosing_changes_the_configuration(view):
    _type(_find(view, "data.image_size"), "64")
    _type(_find(view, "data.count"), "600")
    _type(_find(view, "loss.beta"), "2e-4")
    _choose(_find(view, "loss.entanglement"), "covariance")
    hole = _find(view, "data.punctured")
    QTest.mouseClick(hole, LEFT, pos=QPoint(6, hole.height() // 2))
    config = view.form.config()
    assert (config.data.image_size, config.data.count, config.loss.beta) == (64, 600, 2e-4)
    assert config.loss.entanglement == "covariance"
    assert config.data.punctured is False


@pytest.mark.parametrize("form", ["product", "covariance", "dip"])
def test_every_entanglement_is_offered_explained_and_has_its_weight(view, form):
    box = _find(view, "loss.entanglement")
    assert f"{form}:" in box.toolTip()
    _choose(box, form)
    assert view.form.config().loss.entanglement == form
    assert _find(view, "loss.gamma").isVisible()


def test_only_settings_that_mean_something_are_visible(view):
    assert _find(view, "data.hole_radius").isVisible()
    assert not _find(view, "data.path").isVisible()
    assert not _find(view, "loss.gamma").isVisible()
    _own_images(view)
    assert _find(view, "data.path").isVisible()
    assert not _find(view, "data.hole_radius").isVisible()
    assert not _find(view, "data.count").isVisible()


def test_a_preset_brings_its_settings_and_leaves_the_images(view):
    _type(_find(view, "data.image_size"), "128")
    _choose(_find(view, "model.preset"), "article-weighted")
    config, published = view.form.config(), preset_config("article-weighted")
    assert config.training == published.training
    assert config.loss == published.loss
    assert config.data == dataclasses.replace(published.data, image_size=128)


def test_a_bad_value_is_named_under_its_field_and_nothing_starts(view, said, tmp_path):
    _own_images(view)
    assert view.findChild(QLabel, "training.data.path.error") is None, "nothing is wrong yet: the path is only missing"
    assert not _find(view, "start").isEnabled()
    assert "Choose a folder or a file of images" in _find(view, "start").toolTip()
    view.request_start()
    assert said == []
    shown: list[str] = []
    view.form.path_changed.connect(shown.append)
    _type(_find(view, "data.path"), str(tmp_path / "nothing"))
    assert shown[-1] == str(tmp_path / "nothing")
    view.form.set_looking(shown[-1])
    note = view.findChild(QLabel, "training.data.path.error")
    assert note.isVisible()
    assert note.text() == f"Looking at {tmp_path / 'nothing'} …"
    assert "has not answered yet" in _find(view, "start").toolTip()
    view.form.set_found(shown[-1], there=False)
    assert "existing folder" in note.text()
    view.form.set_found(str(tmp_path), there=True)
    assert note.isVisible(), "another path is not the one that is shown"
    _type(_find(view, "data.path"), str(tmp_path))
    assert not note.isVisible()
    assert _find(view, "start").isEnabled()
    assert view.form.config().data == DataConfig(path=str(tmp_path))


def test_a_bad_value_that_is_folded_away_is_unfolded(view):
    more = _find(view, "more.data")
    assert view.findChild(QWidget, "training.data.validation_fraction") is None
    QTest.mouseClick(more, LEFT)
    _type(_find(view, "data.validation_fraction"), "nonsense")
    QTest.mouseClick(more, LEFT)
    with pytest.raises(ConfigError, match="validation_fraction"):
        view.form.config()
    _type(_find(view, "data.count"), "700")
    assert _find(view, "data.validation_fraction").isVisible()
    _type(_find(view, "data.validation_fraction"), "")
    assert view.form.config().data.validation_fraction is None


def test_a_path_is_chosen_in_a_dialog_that_blocks_nothing(view, qtbot, tmp_path):
    _own_images(view)
    _find(view, "data.path.browse").menu().actions()[0].trigger()
    dialog = view.findChild(QFileDialog, "dialog.dataset")
    assert dialog is not None
    assert not dialog.isModal()
    dialog.fileSelected.emit(str(tmp_path))
    dialog.close()
    assert view.form.config().data.path == str(tmp_path)


def test_sections_fold(view):
    QTest.mouseClick(_find(view, "section.data"), LEFT)
    assert not _find(view, "data.source").isVisible()
    QTest.mouseClick(_find(view, "section.data"), LEFT)
    assert _find(view, "data.source").isVisible()


def test_every_control_can_be_reached_by_tab_and_says_what_it_is(view):
    _unfold(view)
    for name in [*SETTINGS, "data.source.files", "data.source.curves"]:
        if name != "data.source":  # two buttons
            control = _find(view, name)
            assert control.toolTip()
            assert control.accessibleName() or control.text()
            assert control.focusPolicy() & Qt.FocusPolicy.TabFocus


def test_the_panel_fits_a_dock_of_280_pixels(view):
    view.set_state("running")
    view.set_progress({"epoch": 3, "images_per_second": 1234.0, "time": 60.0, "eta_seconds": 7777.0}, 16)
    view.resize(280, 600)
    scroll = view.findChild(QWidget, "training.scroll")
    assert view.minimumSizeHint().width() <= 280
    assert scroll.widget().minimumSizeHint().width() <= 280 - 10


# steering


def test_start_carries_the_configuration(view, said):
    QTest.mouseClick(_find(view, "start"), LEFT)
    assert said == [("start", RunConfig())]


def test_a_running_training_is_paused_stepped_and_stopped(view, said):
    view.set_state("running")
    assert not _find(view, "start").isVisible()
    for name in ("pause", "step", "epoch", "stop"):
        QTest.mouseClick(_find(view, name), LEFT)
    assert said == ["pause", "step", "epoch", "stop"]


def test_a_paused_training_is_resumed_by_the_same_button(view, said):
    view.set_state("paused")
    assert _find(view, "pause").text() == "Resume"
    QTest.mouseClick(_find(view, "pause"), LEFT)
    assert said == ["resume"]


@pytest.mark.parametrize(
    "state", ["idle", "starting", "running", "paused", "stopping", "stopped", "finished", "failed"]
)
def test_states_are_shown_silently(view, said, state: str):
    view.set_state(state, "because")
    steerable, active = state in ("running", "paused"), state in ("starting", "running", "paused", "stopping")
    assert _find(view, "start").isVisible() is not active
    assert _find(view, "pause").isEnabled() is steerable
    assert _find(view, "live.beta").isEnabled() is steerable
    assert "because" in view.findChild(QLabel, "training.status").text()
    assert said == []


def test_progress_is_shown_with_speed_and_time_left(view):
    view.set_state("running")
    view.set_progress({"epoch": 3, "images_per_second": 142.4, "time": 25.0, "eta_seconds": 75.0, "step": 9}, 16)
    text = view.findChild(QLabel, "training.numbers").text()
    assert text == "epoch 3 of 16 · 142 images/s · 1\xa0min\xa015\xa0s\xa0left"
    assert view.findChild(QProgressBar, "training.progress").value() == 250


def test_a_reason_keeps_start_from_being_pressed(view, said):
    view.set_enabled_reason("The runs folder cannot be written.")
    assert not _find(view, "start").isEnabled()
    assert "cannot be written" in _find(view, "start").toolTip()
    view.set_enabled_reason("")
    assert _find(view, "start").isEnabled()


def test_nothing_starts_before_the_settings_that_follow_from_new_images_are_there(view, said):
    view.set_awaits_images(True)
    assert not _find(view, "start").isEnabled()
    assert "settings follow from them" in _find(view, "start").toolTip()
    view.request_start()  # as the key does
    assert said == []
    view.set_awaits_images(False)
    assert _find(view, "start").isEnabled()


def test_live_values_are_shown_silently(view, said):
    view.set_state("running")
    view.set_live(2e-3, 3e-5, 0.5)
    values = [_find(view, f"live.{name}").value() for name in ("learning_rate", "beta", "gamma")]
    assert values == [2e-3, 3e-5, 0.5]
    assert said == []


def test_a_live_value_is_sent_alone_when_enter_commits_it(view, said):
    view.set_state("running")
    view.set_live(2e-3, 3e-5, 0.0)
    _type(_find(view, "live.beta"), "0.0001")
    assert said == [("live", {"beta": 1e-4})]


def test_what_is_being_typed_is_not_overwritten(view, said):
    view.set_state("running")
    view.set_live(2e-3, 3e-5, 0.0)
    field = _find(view, "live.gamma")
    view.activateWindow()
    field.setFocus()
    field.selectAll()
    QTest.keyClicks(field, "0.25")
    view.set_live(2e-3, 3e-5, 0.0)
    assert field.text() == "0.25"
    QTest.keyClick(field, Qt.Key.Key_Return)
    assert said == [("live", {"gamma": 0.25})]


def test_the_theme_can_change_at_any_time(view, said, use_theme):
    use_theme(LIGHT)
    assert not _find(view, "pause").icon().isNull()
    assert isinstance(_find(view, "data.punctured"), QCheckBox)
    assert said == []
