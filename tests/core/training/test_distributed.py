"""Two CPU processes train one model together: one run directory, one history, and both obey the same commands."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from preloaded_python import PreloadedPython

from core.models.device import DeviceError
from core.runs.directory import RunDirectory
from core.runs.metrics_log import read_metrics
from core.training.checkpoint import load_model, read_stored
from core.training.rendezvous import LOOPBACK, interface_towards, meeting_store

FLAGS = (
    *("--data.image-size", "32", "--data.count", "64", "--data.no-punctured", "--data.validation-fraction", "0.25"),
    *("--training.batch-size", "4", "--training.device", "cpu", "--training.precision", "float32"),
)

# Which process writes what, and what it tells: each notes its doings in a file of its own.
SPY = """
import os, sys
from pathlib import Path
import core.utils.atomic_write as a, core.runs.metrics_log as m
notes = Path(os.environ["TEST_NOTES"]) / f"rank-{os.environ.get('LOCAL_RANK', '0')}"
import core.training.checkpoint, core.runs.lock, core.runs.directory
write = a.atomic_file
def noted(path):
    with open(notes, "a") as file:
        file.write(f"{path.name}\\n")
    return write(path)
a.atomic_file = core.runs.directory.atomic_file = noted
import psutil
from core.training.distributed import Ranks
share = Ranks.share_state
def shared(ranks, state):
    share(ranks, state)
    for connection in psutil.Process().net_connections("inet"):
        if connection.status == psutil.CONN_LISTEN:
            with open(notes.with_name(f"listens-{notes.name}"), "a") as file:
                file.write(f"{connection.laddr.ip}\\n")
Ranks.share_state = shared
import signal, torch
from core.models.vae import VAE
rank, _, failure = os.environ.get("TEST_FAILURE", "").partition(" ")
steps, forward = [], VAE.forward
def failing(self, *inputs):
    steps.append(torch.is_grad_enabled())
    if sum(steps) == 9:
        if failure == "memory":
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        os.kill(os.getpid(), signal.SIGKILL)
    return forward(self, *inputs)
if rank == os.environ.get("LOCAL_RANK", "0"):
    VAE.forward = failing
from core.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def train(python: PreloadedPython, folder: Path, *flags: str, failure: str = "") -> subprocess.CompletedProcess[str]:
    script = folder / "spy.py"  # Fabric starts the second process by running the very same script again
    script.write_text(SPY)
    notes = folder / "notes"
    notes.mkdir(exist_ok=True)
    environment = {
        k: v for k, v in os.environ.items() if k not in ("LOCAL_RANK", "NODE_RANK", "WORLD_SIZE", "MASTER_PORT")
    }
    environment["PYTHONPATH"] = str(Path(__file__).resolve().parents[3])
    environment["TEST_NOTES"], environment["TEST_FAILURE"] = str(notes), failure
    command = [python.executable, str(script), "train", "--out", str(folder / "run"), *FLAGS, *flags]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory, preloaded_python: PreloadedPython
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("distributed")
    return folder, train(preloaded_python, folder, "--devices", "2", "--training.epochs", "2")


def test_two_processes_train_one_run_to_its_end(trained: tuple[Path, subprocess.CompletedProcess[str]]):
    folder, done = trained
    assert done.returncode == 0, done.stderr
    run = RunDirectory.open(folder / "run")
    assert run.status() == "finished"
    load_model(run.path)
    assert run.embedding_epochs() == [0, 1, 2]
    records = read_metrics(run.metrics_path)
    assert records[0]["processes"] == 2
    # 48 training images in global batches of 2 x 4
    assert read_stored(run.last_checkpoint_path).step == 12
    numbers = [record["step"] for record in records if record["kind"] == "step"]
    assert numbers == sorted(set(numbers)), "each step is told once"


def test_only_rank_zero_writes_and_speaks(trained: tuple[Path, subprocess.CompletedProcess[str]]):
    folder, done = trained
    assert [path.name for path in (folder / "notes").glob("rank-*")] == ["rank-0"]
    assert done.stdout.count("finished after 2 epochs") == 1


def test_they_listen_on_loopback_alone(trained: tuple[Path, subprocess.CompletedProcess[str]]):
    folder, _ = trained
    found = [path.read_text().split() for path in (folder / "notes").glob("listens-*")]
    assert len(found) == 2
    assert {address for addresses in found for address in addresses} == {"127.0.0.1"}


def test_the_store_is_served_at_its_address_and_nowhere_else():
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    store = meeting_store(LOOPBACK, port, 1, is_main=True)
    store.set("key", "value")
    own = [c.laddr for c in psutil.Process().net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert [address.ip for address in own if address.port == port] == [LOOPBACK]


def test_an_address_of_another_machine_is_refused():
    with pytest.raises(DeviceError, match=r"cannot meet at 192\.0\.2\.1, port 29500 .* MASTER_ADDR must be an address"):
        meeting_store("192.0.2.1", 29500, 2, is_main=True)


def test_loopback_is_reached_by_its_own_interface():
    name = interface_towards(LOOPBACK)
    assert LOOPBACK in [address.address for address in psutil.net_if_addrs()[name]]


def test_a_refusal_reaches_both_and_is_told_once(
    trained: tuple[Path, subprocess.CompletedProcess[str]], preloaded_python: PreloadedPython
):
    folder, _ = trained
    again = train(preloaded_python, folder, "--devices", "2", "--training.epochs", "2")
    assert again.returncode == 2
    assert again.stderr.count("already holds a run") == 1
    assert "Traceback" not in again.stderr


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ("1 memory", "out of memory on rank 1 at step 9, with 4 images at a time (CUDA out of memory. Tried"),
        (
            "1 killed",
            "rank 1 of this training failed: its process was ended by SIGKILL, as the system does when memory",
        ),
    ],
)
def test_when_one_rank_fails_all_end_with_its_message_and_the_checkpoint_is_whole(
    tmp_path: Path, preloaded_python: PreloadedPython, failure: str, said: str
):
    begun = time.monotonic()
    done = train(preloaded_python, tmp_path, "--devices", "2", "--training.epochs", "3", failure=failure)
    print(f"{failure}: ended after {time.monotonic() - begun:.1f} s, start included")
    assert time.monotonic() - begun < 30.0
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    run = RunDirectory.open(tmp_path / "run")
    assert run.status() == "failed"
    (told,) = [record for record in read_metrics(run.metrics_path) if record.get("event") == "failed"]
    assert said in told["message"]
    assert ("changes" in told) == ("memory" in failure)
    assert read_stored(run.last_checkpoint_path).step == 6
    script = str(tmp_path / "spy.py")
    assert not [p.pid for p in psutil.process_iter(["cmdline"]) if script in (p.info["cmdline"] or ())]
