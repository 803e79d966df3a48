"""`isoline slurm`: batch scripts that bash and SLURM understand."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

import core.cli.train
from core.cli.main import _options, main
from core.cli.slurm import Options, batch_script
from core.config import ConfigError

TRAIN = ("train", "my images/", "--out", "runs/it's")


def parsed(script: str) -> tuple[dict[str, str], list[str]]:
    """The directives of a script, and the words of the command that it ends with; bash must be able to read it, and
    sbatch, if there is one, to take it."""
    checked = subprocess.run(["bash", "-n"], input=script, text=True, capture_output=True, check=False)
    assert checked.returncode == 0, checked.stderr
    if shutil.which("sbatch"):
        subprocess.run(["sbatch", "--test-only"], input=script, text=True, check=True)
    lines = script.splitlines()
    assert lines[0] == "#!/bin/bash"
    first = next(i for i, line in enumerate(lines[1:], 1) if not line.startswith("#SBATCH "))
    assert not any(line.startswith("#SBATCH") for line in lines[first:]), "sbatch stops reading at the first command"
    directives = {}
    for line in lines[1:first]:
        found = re.fullmatch(r"#SBATCH --([a-z-]+)(?:=(\S+))?", line)
        assert found, line
        assert found[1] not in directives
        directives[found[1]] = found[2] or ""
    return directives, shlex.split(lines[-1])


def test_a_training_over_nodes_has_a_process_for_each_gpu_and_is_queued_again():
    script = batch_script(Options(TRAIN, nodes=2, gpus=4, time="1-12:00:00", partition="gpu", memory="64G"))
    directives, command = parsed(script)
    assert directives["nodes"] == "2"
    assert directives["ntasks-per-node"] == directives["gpus-per-node"] == "4"
    assert directives["time"] == "1-12:00:00"
    assert directives["partition"] == "gpu"
    assert directives["mem"] == "64G"
    assert directives["signal"] == "USR1@120"
    assert directives["requeue"] == ""
    assert directives["output"] == "isoline-train-%j.log"
    assert command[0] == "srun"
    assert command[-4:] == ["my images/", "--out", "runs/it's", "--requeue"]
    assert "export MASTER_ADDR" in script


def test_the_command_of_a_training_is_understood_by_isoline():
    _, command = parsed(batch_script(Options(TRAIN, python="python")))
    place = command.index("isoline")
    assert command[place - 3 : place] == ["python", "-P", "-m"]
    options = _options(core.cli.train, "train", command[place + 2 :])
    assert options.requeue
    assert options.out == Path("runs/it's")


def test_an_array_encodes_a_shard_each(tmp_path: Path):
    out = tmp_path / "means.sbatch"
    flags = ["--array", "64", "--at-once", "8", "--gpus", "2", "--script", str(out), "--setup", "module load cuda"]
    assert main(["slurm", *flags, "--", "encode", "run", "images", "--out", "means"]) == 0
    directives, command = parsed(out.read_text())
    assert directives["array"] == "1-64%8"
    assert directives["ntasks-per-node"] == "1"
    assert directives["output"] == "isoline-encode-%A_%a.log"
    assert command[-2:] == ["--workers", "2"]
    assert "module load cuda" in out.read_text().splitlines()


def test_an_experiment_is_one_process(capsys):
    assert main(["slurm", "--", "experiment", "transects", "--out", "hole"]) == 0
    directives, command = parsed(capsys.readouterr().out)
    assert directives["job-name"] == "isoline-experiment"
    assert command[-4:] == ["experiment", "transects", "--out", "hole"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (Options(("info", "run")), "the command is 'info'"),
        (Options(()), "the command is ''"),
        (Options(TRAIN, time="soon"), "--time is 'soon'"),
        (Options(TRAIN, nodes=0), "--nodes is 0"),
        (Options(TRAIN, array=4), "--array is for encode"),
        (Options(TRAIN, partition="a b"), "--partition is 'a b'"),
        (Options(("encode", "run", "images", "--out", "o"), nodes=2), "share the images by --array"),
        (Options(("train", "images")), "has no --out"),
        (Options((*TRAIN, "--devices", "2")), "--devices follows from the job"),
    ],
)
def test_what_would_not_work_is_refused(options: Options, message: str):
    with pytest.raises(ConfigError, match=message):
        batch_script(options)
