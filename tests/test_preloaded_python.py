"""A process of a preloaded interpreter is as one of the real interpreter: streams, arguments, status, signals."""

import os
import signal
import subprocess
import sys
import time

import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it is the real interpreter")


def test_it_has_torch_already_and_the_arguments_environment_folder_and_streams_it_was_given(preloaded_python, tmp_path):
    program = (
        "import os, sys; torch = 'torch' in sys.modules; import core.cli.main\n"
        "print(torch, sys.argv[1:], os.environ['A'], os.environ.get('HOME'), os.getcwd(), input()); sys.exit(3)"
    )
    command = [preloaded_python.executable, "-c", program, "one", "two words"]
    environment = {"A": "b=c", "PATH": os.environ["PATH"]}
    done = subprocess.run(command, cwd=tmp_path, env=environment, input="typed\n", capture_output=True, text=True)
    assert done.stdout == f"True ['one', 'two words'] b=c None {tmp_path} typed\n"
    assert (done.returncode, done.stderr) == (3, "")


def test_a_module_is_run_as_the_main_one(preloaded_python):
    done = subprocess.run([preloaded_python.executable, "-P", "-m", "core.cli", "fly"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "fly" in done.stderr


def test_anything_else_is_for_the_real_interpreter(preloaded_python):
    program = "import sys; print(sys.executable, 'torch' in sys.modules)"
    output = subprocess.check_output([preloaded_python.executable, "-c", program], text=True)
    assert output.split() == [sys.executable, "False"]


WAITING = "import core.cli.main, time; print('up', flush=True); time.sleep(600)"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("launcher", [True, False])
def test_signals_reach_it_and_its_end_is_the_launchers(preloaded_python, number, launcher):
    command = [preloaded_python.executable, "-c", WAITING]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "up\n"
            pid = preloaded_python.process_id(process.pid)
            assert pid != process.pid
            os.kill(process.pid if launcher else pid, number)
            assert process.wait(60) == -number
        finally:
            process.kill()
        deadline = time.monotonic() + 60
        while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not os.path.exists(f"/proc/{pid}")
