"""The command line: flags made from the configuration, clear refusals, and nothing heavy before it is needed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from preloaded_python import PreloadedPython

from core.cli import train
from core.cli.main import COMMANDS, main
from core.config import ConfigError, DataConfig, LossConfig, RunConfig, config_to_dict, preset_config
from core.runs.directory import RunDirectory
from core.runs.metrics_log import MetricsWriter

TINY = ("--data.image-size", "32", "--data.count", "40", "--training.epochs", "1", "--training.batch-size", "16")


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch) -> list[RunConfig]:
    """The configurations that `isoline train` would have trained."""
    found: list[RunConfig] = []

    def note(options: train.Options) -> int:
        found.append(options.run_config())
        return 0

    monkeypatch.setattr(train, "run", note)
    return found


def test_without_a_command_it_lists_them(capsys: pytest.CaptureFixture[str]):
    assert main([]) == 2
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(text.count(f"\n  {name} ") == 2 for name in COMMANDS)


def test_it_tells_its_version(capsys: pytest.CaptureFixture[str]):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("isoline ")


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["paint"]) == 2
    assert "there is no command 'paint'" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]):
    assert main([command, "--help"]) == 0
    assert f"isoline {command}" in capsys.readouterr().out


def test_help_info_and_refused_images_load_no_torch(tmp_path: Path):
    RunDirectory.create(tmp_path / "run", RunConfig(), {})
    program = f"""
import sys
from core.cli.main import main
for command in {list(COMMANDS)!r}:
    main([command, "--help"])
main(["info", {str(tmp_path / "run")!r}])
assert main(["dataset", "inspect", {str(tmp_path / "run")!r}]) == 2
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)


@pytest.mark.parametrize("command", ["info", "--help"])
def test_a_reader_that_has_seen_enough_ends_a_command_quietly(tmp_path: Path, command: str):
    """As `isoline info RUN | head -1`: no "Broken pipe", neither from the command nor from Python's last flush."""
    RunDirectory.create(tmp_path / "run", RunConfig(), {})
    reader, writer = os.pipe()
    os.close(reader)
    arguments = [command, *([str(tmp_path / "run")] if command == "info" else [])]
    done = subprocess.run(
        [sys.executable, "-m", "core.cli", *arguments], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.stderr == b""
    assert done.returncode == 0


# flags of train


def test_without_flags_the_defaults_are_isolines_own(configured: list[RunConfig]):
    assert main(["train", "--out", "run"]) == 0
    assert configured == [RunConfig()]


@pytest.mark.parametrize("preset", ["article", "article-weighted"])
def test_a_preset_brings_its_own_defaults(configured: list[RunConfig], preset: str):
    assert main(["train", "--out", "run", "--preset", preset, "--loss.beta", "0.5"]) == 0
    wanted = preset_config(preset)  # pyright: ignore[reportArgumentType]
    assert configured[0].training == wanted.training
    assert configured[0].data == wanted.data
    assert configured[0].model == wanted.model
    assert configured[0].loss.beta == 0.5


def test_every_field_has_a_flag(capsys: pytest.CaptureFixture[str]):
    main(["train", "--help"])
    text = capsys.readouterr().out
    for section, fields in config_to_dict(RunConfig()).items():
        for name in fields:
            assert f"--{section}.{name.replace('_', '-')}" in text


def test_help_gives_the_ranges_of_the_configuration(capsys: pytest.CaptureFixture[str]):
    main(["train", "--help"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Height and width in pixels to which all images are scaled. Allowed: 8 to 512. (default: 256)" in text
    assert "Allowed: above 0, at most 1,000. (default: 0.002)" in text


def test_devices_and_nodes_have_short_names(configured: list[RunConfig]):
    assert main(["train", "--out", "run", "--devices", "2", "--nodes", "3"]) == 0
    assert (configured[0].training.devices, configured[0].training.nodes) == (2, 3)


def test_defaults_come_from_a_file_and_flags_win(configured: list[RunConfig], tmp_path: Path):
    config = RunConfig(data=DataConfig(image_size=64), loss=LossConfig(beta=0.25))
    path = tmp_path / "request.json"
    path.write_text(json.dumps(config_to_dict(config)))
    assert main(["train", "--out", "run", "--config", str(path), "--data.count", "99"]) == 0
    assert configured[0].data == DataConfig(image_size=64, count=99)
    assert configured[0].loss.beta == 0.25


def test_a_run_s_own_configuration_file_will_do(configured: list[RunConfig], tmp_path: Path):
    run = RunDirectory.create(tmp_path / "run", RunConfig(loss=LossConfig(beta=0.25)), {})
    assert main(["train", "--out", "another", "--config", str(run.path / "config.json")]) == 0
    assert configured == [run.config]


def test_resuming_starts_from_the_run_s_configuration(configured: list[RunConfig], tmp_path: Path):
    run = RunDirectory.create(tmp_path / "run", RunConfig(loss=LossConfig(beta=0.25)), {})
    assert main(["train", "--out", str(run.path), "--resume"]) == 0
    assert configured == [run.config]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--loss.beta", "-1"], "loss.beta is -1.0; it must be"),
        (["--data.image-size", "7"], "data.image_size is 7; it must be 8 to 512"),
        (["--loss.beta", "much"], "--loss.beta"),
        (["--preset", "huge"], "huge"),
        (["--colour", "red"], "--colour"),
    ],
)
def test_a_bad_flag_is_named(flags: list[str], message: str, capsys: pytest.CaptureFixture[str]):
    assert main(["train", "--out", "run", *flags]) == 2
    assert message in " ".join(capsys.readouterr().err.replace("│", " ").split())


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not valid JSON"), ('{"los": {}}', "unknown field 'los'"), ('{"loss": {"beta": "x"}}', "beta")],
)
def test_a_bad_configuration_file_is_named(tmp_path: Path, text: str, message: str):
    path = tmp_path / "request.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        train.read_config(path)
    assert "request.json" in str(caught.value)


# what it does


def test_train_then_info(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = str(tmp_path / "run")
    assert main(["train", "--out", out, "--tensorboard", *TINY]) == 0
    text = capsys.readouterr().out
    assert "epoch 1/1" in text
    (scalars,) = (tmp_path / "run" / "tensorboard").glob("events.out.tfevents.*")
    assert b"loss/train" in scalars.read_bytes()
    assert b"loss/validation" in scalars.read_bytes()
    assert "excess BCE, validation" in text
    assert "trustworthiness" in text

    assert main(["info", out]) == 0
    text = capsys.readouterr().out
    assert "finished" in text
    assert "1 of 1 epoch" in text
    assert "32 px" in text

    assert main(["train", "--out", out, *TINY]) == 2
    caught = capsys.readouterr()
    assert caught.err.startswith("isoline train: error: ")
    assert "already holds a run" in caught.err


def test_a_training_on_own_images_reports_what_can_be_had(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    random = np.random.default_rng(0)
    np.savez(tmp_path / "mine.npz", images=random.integers(0, 256, (40, 8, 8), dtype=np.uint8))
    short = ["--training.epochs", "1", "--training.device", "cpu"]
    assert main(["train", str(tmp_path / "mine.npz"), "--out", str(tmp_path / "run"), *short]) == 0
    text = capsys.readouterr().out
    assert "squared error, validation" in text
    assert "of that of the mean image" in text
    assert "\nfinished after 1 epoch\n" in text
    assert main(["info", str(tmp_path / "run")]) == 0
    told = capsys.readouterr().out
    assert "40: 36 to train, 4 to validate" in told
    assert "Validation images are drawn at random" in told
    assert "excess BCE" not in text
    assert "not available" not in text


def test_info_names_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["info", str(tmp_path)]) == 2
    assert "is not a run" in capsys.readouterr().err


def test_a_stranger_s_run_cannot_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Escape codes, directions of writing and lines that fake others are written out or indented."""
    run = RunDirectory.create(tmp_path / "run", preset_config("article"), {"created": "\u202enow"})
    writer = MetricsWriter(run.metrics_path)
    writer.append({"kind": "event", "event": "failed", "message": "\x1b]0;owned\x07\x1b[2J\nstatus  finished"})
    writer.close()
    assert main(["info", str(run.path)]) == 0
    text = capsys.readouterr().out
    assert not {"\x1b", "\x07", "\u202e"} & set(text)
    assert "\\x1b]0;owned\\x07\\x1b[2J" in text
    assert not any(line.startswith("status") for line in text.splitlines()[2:])
    assert main(["info", str(tmp_path / "\x1b[2J")]) == 2
    assert "\\x1b[2J does not exist" in capsys.readouterr().err


def test_info_copes_with_any_history(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    run = RunDirectory.create(tmp_path / "run", preset_config("article"), {})
    writer = MetricsWriter(run.metrics_path)
    writer.append({"kind": "step", "step": 4})
    writer.append({"kind": "epoch", "epoch": 1, "validation": {}})
    writer.close()
    assert main(["info", str(run.path)]) == 0
    text = capsys.readouterr().out
    assert "interrupted" in text
    assert "weights.safetensors: no image can be decoded" in text
    assert "product entanglement" in text


def test_a_closed_pipe_does_not_stop_a_training(tmp_path: Path, preloaded_python: PreloadedPython):
    program = "import sys; from core.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [preloaded_python.executable, "-c", program, "train", "--out", str(tmp_path / "run"), *TINY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    assert RunDirectory.open(tmp_path / "run").status() == "finished"


def own_images(tmp_path: Path, count: int = 40) -> str:
    images = np.random.default_rng(0).integers(0, 256, (count, 12, 10), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", images=images)
    return str(tmp_path / "images.npz")


def test_settings_that_are_not_given_follow_from_the_images(tmp_path, configured, capsys):
    path = own_images(tmp_path)
    assert main(["train", path, "--out", str(tmp_path / "run")]) == 0
    config = configured[0]
    assert (config.data.path, config.data.image_size, config.loss.reconstruction) == (path, 12, "mse")
    assert "12 × 12" in capsys.readouterr().err


@pytest.mark.parametrize("before", [[], ["--data.path"], ["--data.source", "files"]])
def test_settings_that_are_given_stay(tmp_path, configured, before):
    flags = ["--data.image-size", "16", "--training.epochs", "3", "--loss.beta", "0.5"]
    assert main(["train", *before, own_images(tmp_path), *flags]) == 0
    config = configured[0]
    assert (config.data.image_size, config.training.epochs, config.loss.beta) == (16, 3, 0.5)


def test_two_paths_are_refused(tmp_path, capsys):
    path = own_images(tmp_path)
    assert main(["train", path, "--data.path", str(tmp_path), "--out", str(tmp_path / "run")]) == 2
    assert "give one of them" in capsys.readouterr().err


def test_the_run_folder_is_named_after_the_images_if_none_is_given(tmp_path, monkeypatch):
    path = own_images(tmp_path, 8)
    monkeypatch.chdir(tmp_path)
    assert main(["train", path, "--training.epochs", "1", "--training.device", "cpu"]) == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.endswith("compact images")
    assert RunDirectory.open(run).config.data.path == path


def test_an_inspection_says_settings_and_how_long_the_training_will_take(tmp_path):
    path = own_images(tmp_path)
    assert main(["dataset", "inspect", path, "--json", str(tmp_path / "report.json")]) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["settings"]["training"]["batch_size"] == 4
    assert report["settings"]["estimate"]["seconds"] > 0
    assert report["settings"]["estimate"]["memory_bytes"] > 2**20
