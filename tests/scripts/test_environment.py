"""The decisions of the start and test scripts: which Python, whether the environment is complete, which torch, which
system libraries. Nothing here installs anything."""

from __future__ import annotations

import ast
import http.server
import io
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from core.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts"
sys.path.insert(0, str(SCRIPTS))
try:
    import _environment
    import _interpreter
    import _libraries
    import _progress
    import _setup
    import launch
finally:
    sys.path.remove(str(SCRIPTS))


def progress(tmp_path: Path) -> _progress.Progress:
    return _progress.Progress(tmp_path / "setup.log", io.StringIO())


def shown(progress: _progress.Progress) -> str:
    stream = progress._stream
    assert isinstance(stream, io.StringIO)
    return stream.getvalue()


def fake_program(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + script, encoding="utf-8")
    path.chmod(0o755)
    return path


# Which Python ----------------------------------------------------------------------------------------------------


def test_python_3_11_is_the_oldest_that_will_do():
    assert _interpreter.is_recent((3, 11, 0))
    assert _interpreter.is_recent((3, 14))
    assert not _interpreter.is_recent((3, 10, 99))
    assert not _interpreter.is_recent((2, 7, 18))


def test_the_oldest_python_agrees_with_pyproject():
    assert f'requires-python = ">={".".join(map(str, _interpreter.OLDEST))}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("name", ["_interpreter.py", "launch.py", "test.py"])
def test_what_runs_before_the_version_check_parses_on_an_old_python(name: str):
    text = (SCRIPTS / name).read_text(encoding="utf-8")
    ast.parse(text, feature_version=(3, 7))
    assert "from __future__" not in text  # a syntax error before Python 3.7


@pytest.mark.skipif(os.name == "nt", reason="the stand-in interpreters are shell scripts")
def test_an_older_python_hands_over_to_the_first_that_works_and_is_recent(tmp_path: Path):
    fake_program(tmp_path / "a" / "python3.11", "exit 127\n")  # a pyenv shim of a version that is not installed
    fake_program(tmp_path / "b" / "python3.13", "echo 3 13\n")
    fake_program(tmp_path / "b" / "python3", "echo 3 9\n")
    search_path = os.pathsep.join([str(tmp_path / "a"), str(tmp_path / "b")])
    assert _interpreter.find_recent(search_path) == str(tmp_path / "b" / "python3.13")
    assert _interpreter.find_recent(str(tmp_path / "a")) is None
    assert _interpreter.find_recent("") is None


def test_without_a_recent_python_the_message_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(_interpreter.sys, "version_info", (3, 9, 2))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SystemExit) as caught:
        _interpreter.ensure_recent(["scripts/launch.py", "--tour", "out"])
    assert caught.value.code == 2
    message = capsys.readouterr().err
    assert "needs Python 3.11 or newer; this is Python 3.9.2" in message
    assert "python3 scripts/launch.py --tour out" in message


# Whether the environment is complete -------------------------------------------------------------------------------


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A project with an environment that has an interpreter, not yet stamped."""
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    (tmp_path / "constraints.txt").write_text("torch==2.13.0 # why\n")
    python = Path(_environment.venv_python(str(tmp_path / ".venv")))
    fake_program(python, "exit 0\n")
    return tmp_path


def ready(tree: Path, *extras: str) -> bool:
    return _environment.is_ready(set(extras), str(tree), str(tree / ".venv"))


def stamp(tree: Path, *extras: str) -> None:
    _environment.write_stamp(set(extras), str(tree), str(tree / ".venv"))


def test_an_environment_is_complete_only_with_its_stamp(tree: Path):
    assert not ready(tree)
    stamp(tree)
    assert ready(tree)


def test_the_tests_environment_serves_the_program_but_not_the_reverse(tree: Path):
    stamp(tree)
    assert not ready(tree, "test")
    stamp(tree, "test")
    assert ready(tree, "test")
    assert ready(tree)


@pytest.mark.parametrize("name", _environment.SOURCES)
def test_a_changed_requirement_or_pin_asks_for_a_new_installation(tree: Path, name: str):
    stamp(tree)
    with (tree / name).open("a") as file:
        file.write("# changed\n")
    assert not ready(tree)


def test_a_tree_that_has_moved_asks_for_a_new_installation(tree: Path, tmp_path_factory: pytest.TempPathFactory):
    stamp(tree)
    moved = tmp_path_factory.mktemp("moved") / "isoline"
    tree.rename(moved)
    assert not ready(moved)


def test_an_interrupted_setup_is_not_complete_and_is_made_anew(tree: Path):
    stamp(tree)
    (tree / ".venv" / _environment.UNFINISHED).touch()
    assert not ready(tree)
    assert "interrupted" in _setup.reason_to_remake(tree / ".venv")


def test_an_environment_whose_python_is_gone_is_made_anew(tree: Path):
    stamp(tree)
    Path(_environment.venv_python(str(tree / ".venv"))).unlink()
    assert not ready(tree)
    assert "Python is gone" in _setup.reason_to_remake(tree / ".venv")


def test_a_sound_environment_of_another_origin_is_completed_as_it_is(tree: Path):
    (tree / ".venv" / "pyvenv.cfg").write_text("home = /usr/bin\n")
    assert _setup.reason_to_remake(tree / ".venv") == ""


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"0123\ntest\n"])
def test_a_damaged_stamp_counts_as_none(tree: Path, content: bytes):
    (tree / ".venv" / _environment.STAMP).write_bytes(content)
    assert not ready(tree)


def test_a_later_start_imports_none_of_the_slow_parts():
    program = (
        "import sys; sys.argv = ['launch.py']; sys.path.insert(0, sys.argv.pop() and r'%s')\n"
        "import launch, _environment\n"
        "_environment.is_ready = _environment.libraries_verified = lambda *a: True\n"
        "_environment.become = lambda arguments: print(arguments, sorted(set(sys.modules) & set(%r))) or 0\n"
        "launch.main(['info', 'run'])\n"
    )
    slow = ["_setup", "_libraries", "_progress", "subprocess", "ctypes", "json", "urllib"]
    output = subprocess.check_output([sys.executable, "-I", "-S", "-c", program % (SCRIPTS, slow)], text=True)
    assert output.strip() == "['-m', 'explorer', 'info', 'run'] []"


@pytest.mark.skipif(os.name == "nt", reason="there the lock belongs to one process")
def test_the_setup_lock_lasts_until_a_command_of_a_killed_setup_has_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    monkeypatch.setattr(_setup.tempfile, "gettempdir", lambda: str(tmp_path))
    # A setup whose command outlives it: the command says that it runs, then waits for a line.
    command = "import sys; print('running', flush=True); sys.stdin.readline()"
    program = (
        f"import os, subprocess, sys, tempfile; sys.path.insert(0, {str(SCRIPTS)!r}); import _setup, _progress\n"
        f"from pathlib import Path; tempfile.gettempdir = lambda: {str(tmp_path)!r}\n"
        "progress = _progress.Progress(Path('log'))\n"
        "with _setup._only_one(progress):\n"
        f"    subprocess.Popen([sys.executable, '-c', {command!r}], pass_fds=progress.inherited)\n"
        "    os._exit(9)\n"
    )
    setup = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert setup.stdin is not None
    assert setup.stdout is not None
    assert setup.stdout.readline() == "running\n"
    assert setup.wait() == 9
    (lock,) = tmp_path.glob("isoline-setup-*.lock")
    with lock.open("a+b") as file:
        assert not _setup._try_lock(file)
        setup.stdin.write("\n")
        setup.stdin.close()
        assert setup.stdout.read() == ""  # the command has ended
        setup.stdout.close()
        deadline = time.monotonic() + 300
        while not _setup._try_lock(file):
            assert time.monotonic() < deadline, "the lock was never released"
            time.sleep(0.01)


# What launch.py asks for --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ([], []),
        (["train", "--help"], ["train", "--help"]),
        (["--tour", "out"], ["tour", "out"]),
        (["--tour=out", "--quick"], ["tour", "out", "--quick"]),
        (["tour", "out"], ["tour", "out"]),
        (["some/run"], ["some/run"]),
    ],
)
def test_the_arguments_go_to_isoline(given: list[str], passed: list[str]):
    assert launch.isoline_arguments(given) == passed


def test_only_what_opens_a_window_needs_its_libraries():
    assert launch.library_profile([], display=True) == "window"
    assert launch.library_profile(["some/run"], display=True) == "window"
    assert launch.library_profile(["tour", "out"], display=True) == "window"
    assert launch.library_profile(["tour", "out"], display=False) == "virtual"
    assert launch.library_profile(["open", "my_model.py"], display=True) == "window"
    assert {*launch.HEADLESS, "open"} == set(COMMANDS)  # those of core: all others know no window
    for command in launch.HEADLESS:
        assert launch.library_profile([command], display=False) == "none"
    assert launch.library_profile(["--version"], display=False) == "none"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can be without a display")
def test_without_a_display_the_window_is_not_tried_and_the_way_out_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_environment, "is_ready", lambda extras: True)
    monkeypatch.setattr(_environment, "libraries_verified", lambda profile: True)
    monkeypatch.setattr(_environment, "become", lambda arguments: pytest.fail(f"started {arguments}"))
    monkeypatch.setitem(sys.modules, "_environment", _environment)
    assert launch.main([]) == 2
    message = capsys.readouterr().err
    assert "DISPLAY" in message
    assert "--tour DIR" in message


# Which torch --------------------------------------------------------------------------------------------------------


def report(*packages: tuple[str, str, str]) -> dict:
    return {
        "install": [
            {"metadata": {"name": name, "version": version}, "download_info": {"url": url}}
            for name, version, url in packages
        ]
    }


CPU_REPORT = report(("torch", "2.13.0+cpu", "https://host/torch.whl"), ("sympy", "1.14.0", "https://host/sympy.whl"))
CUDA_REPORT = report(
    ("torch", "2.13.0", "https://host/torch.whl"), ("nvidia-cudnn-cu13", "9.1", "https://host/cudnn.whl")
)
SIZES = {
    "https://host/torch.whl": 900_000_000,
    "https://host/cudnn.whl": 700_000_000,
    "https://host/sympy.whl": 6_000_000,
}


def test_a_report_tells_the_build_and_the_size_of_the_download():
    build = _setup.build_from_report(CUDA_REPORT, "2.13.0", ("torch",), SIZES.__getitem__)
    assert build.cuda
    assert build.describe() == "with CUDA, 1.6 GB to download"
    build = _setup.build_from_report(CPU_REPORT, "2.13.0", ("torch",), SIZES.__getitem__)
    assert not build.cuda
    assert build.size == 906_000_000


def test_a_report_without_torch_means_that_it_is_installed():
    build = _setup.build_from_report(report(), "2.13.0", ("torch",))
    assert build.version == "2.13.0"
    assert build.describe() == "already installed"


def test_files_on_this_machine_are_not_a_download():
    local = report(("torch", "2.13.0+cpu", "file:///wheels/torch.whl"))
    build = _setup.build_from_report(local, "2.13.0", ("torch",))
    assert build.size == 0
    assert build.describe().endswith("from this machine's disk")


@pytest.mark.parametrize(
    ("offered", "nvidia", "reachable", "cpu_index"),
    [
        (CPU_REPORT, False, True, False),  # pip's own index has the CPU build already
        (CUDA_REPORT, True, True, False),  # there is a GPU to use
        (CUDA_REPORT, False, True, True),
        (CUDA_REPORT, False, False, False),  # PyTorch's index does not answer: the CUDA build runs on CPUs too
    ],
)
def test_the_cpu_build_is_taken_where_there_is_no_driver_and_it_can_be_had(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, offered: dict, nvidia: bool, reachable: bool, cpu_index: bool
):
    def resolve(version: str, arguments: tuple[str, ...], *_: object) -> _setup.Build:
        found = CPU_REPORT if "--index-url" in arguments else offered
        return _setup.build_from_report(found, version, arguments, SIZES.__getitem__)

    monkeypatch.setattr(_setup, "_resolve", resolve)
    monkeypatch.setattr(_setup, "answers", lambda url: reachable)
    monkeypatch.setattr(_setup, "has_nvidia_driver", lambda: nvidia)
    build = _setup.choose_torch("2.13.0", progress(tmp_path), {})
    assert (_setup.CPU_INDEX in build.arguments) == cpu_index
    assert build.arguments[0] == "torch==2.13.0"


def test_where_the_cpu_index_lacks_the_version_the_usual_build_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    def resolve(version: str, arguments: tuple[str, ...], *_: object) -> _setup.Build:
        if "--index-url" in arguments:
            raise _progress.CommandError("No matching distribution", "")
        return _setup.build_from_report(CUDA_REPORT, version, arguments, SIZES.__getitem__)

    monkeypatch.setattr(_setup, "_resolve", resolve)
    monkeypatch.setattr(_setup, "answers", lambda url: True)
    seen = progress(tmp_path)
    monkeypatch.setattr(_setup, "has_nvidia_driver", lambda: False)
    assert _setup.choose_torch("2.13.0", seen, {}).cuda
    assert "has no torch 2.13.0" in shown(seen)
    assert "1.6 GB" in shown(seen)


def test_an_index_that_never_answers_is_given_up_within_the_probes_time(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_setup.urllib.request, "getproxies", dict)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    port = server.server_address[1]  # listens, but nobody serves
    try:
        started = time.monotonic()
        assert not _setup.answers(f"http://127.0.0.1:{port}/", seconds=0.2)
        assert time.monotonic() - started < 30
    finally:
        server.server_close()
    assert not _setup.answers(f"http://127.0.0.1:{port}/", seconds=0.2)  # refused


def test_an_index_that_answers_is_seen_and_files_are_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", "12345")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    monkeypatch.setattr(_setup.urllib.request, "getproxies", dict)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}/torch.whl"
        assert _setup.answers(url)
        assert _setup.file_size(url) == 12345
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    wheel = tmp_path / "torch 1+cpu.whl"
    wheel.write_bytes(b"x" * 77)
    assert _setup.file_size(wheel.as_uri()) == 77
    assert _setup.file_size((tmp_path / "gone.whl").as_uri()) == 0


# Which system libraries ---------------------------------------------------------------------------------------------


def test_a_library_is_found_by_loading_it_and_a_program_on_path():
    assert not _libraries.is_present(_libraries.Need("libisoline-no-such.so.7", "none"))
    assert not _libraries.is_present(_libraries.Need("isoline-no-such-program", "none"))
    if sys.platform.startswith("linux"):
        assert _libraries.is_present(_libraries.Need("libc.so.6", "libc6"))
        assert _libraries.is_present(_libraries.Need("sh", "dash"))


def test_what_is_missing_is_named_by_package_once_in_a_command_to_paste():
    needs = (_libraries.Need("liba.so.1", "one"), _libraries.Need("libb.so.1", "one"), _libraries.Need("c", "two"))
    lacking = _libraries.missing(needs, present=lambda need: need.name == "c")
    assert [need.name for need in lacking] == ["liba.so.1", "libb.so.1"]
    command = _libraries.install_command(lacking, sudo=True)
    assert command == "sudo apt-get update && sudo apt-get install -y --no-install-recommends one"
    assert "sudo" not in _libraries.install_command(lacking, sudo=False)


@pytest.mark.parametrize(("debian", "root"), [(True, False), (False, True), (False, False)])
def test_where_it_may_not_install_it_says_what_to_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, debian: bool, root: bool
):
    monkeypatch.setattr(_libraries.sys, "platform", "linux")
    monkeypatch.setattr(_libraries, "is_debian", lambda: debian)
    monkeypatch.setattr(_libraries, "is_root", lambda: root)
    monkeypatch.setattr(_libraries, "apt_install", lambda *a: pytest.fail("must not install"))
    need = _libraries.Need("libisoline-no-such.so.7", "libisoline7")
    with pytest.raises(_progress.SetupError) as caught:
        _libraries.ensure([need], progress(tmp_path))
    assert "Isoline needs these from the system: libisoline-no-such.so.7" in str(caught.value)
    assert "sudo apt-get install -y --no-install-recommends libisoline7" in str(caught.value)


def test_as_root_on_debian_what_is_missing_is_installed_and_checked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    installed: list[str] = []
    need = _libraries.Need("libisoline-no-such.so.7", "libisoline7")
    monkeypatch.setattr(_libraries.sys, "platform", "linux")
    monkeypatch.setattr(_libraries, "is_debian", lambda: True)
    monkeypatch.setattr(_libraries, "is_root", lambda: True)
    monkeypatch.setattr(_libraries, "apt_install", lambda packages, progress: installed.extend(packages))
    with pytest.raises(_progress.SetupError, match="still lacks libisoline-no-such"):
        _libraries.ensure([need], progress(tmp_path))
    assert installed == ["libisoline7"]


def test_debian_and_its_relatives_are_known_by_os_release(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(_libraries.shutil, "which", lambda name: "/usr/bin/" + name)
    release = tmp_path / "os-release"
    for text, expected in (
        ("ID=debian\n", True),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\n', True),
        ("ID=fedora\n", False),
        ("", False),
    ):
        release.write_text(text)
        assert _libraries.is_debian(release) is expected
    assert not _libraries.is_debian(tmp_path / "none")


def test_the_tests_need_chromium_where_debian_has_it(tmp_path: Path):
    release = tmp_path / "os-release"
    for text, packages in (("ID=debian\n", ["chromium"]), ("ID=ubuntu\nID_LIKE=debian\n", []), ("", [])):
        release.write_text(text)
        assert [need.package for need in _libraries.browser_needs(release)] == packages
    assert set(_libraries.PROFILES["virtual"]) <= set(_libraries.PROFILES["tests"])


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DISPLAY", "", False),
        ("DISPLAY", ":0", True),
        ("WAYLAND_DISPLAY", "wayland-0", True),
        ("QT_QPA_PLATFORM", "offscreen", True),
    ],
)
def test_the_display_is_looked_for_in_the_environment(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: bool
):
    monkeypatch.setattr(_environment.sys, "platform", "linux")
    for each in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(each, raising=False)
    assert not _environment.has_display()
    monkeypatch.setenv(name, value)
    assert _environment.has_display() is expected


def test_libraries_that_were_found_are_looked_for_again_only_when_their_files_have_gone(tmp_path: Path):
    library = tmp_path / "libGL.so.1"
    library.touch()
    assert _environment.libraries_verified("none", str(tmp_path))
    if sys.platform.startswith("linux"):
        assert not _environment.libraries_verified("window", str(tmp_path))
        _environment.record_libraries("window", [str(library)], str(tmp_path))
        assert _environment.libraries_verified("window", str(tmp_path))
        library.unlink()
        assert not _environment.libraries_verified("window", str(tmp_path))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads this process's memory map")
def test_a_loaded_librarys_file_is_known():
    need = _libraries.Need("libc.so.6", "libc6")
    assert _libraries.missing([need]) == []
    assert all(Path(path).exists() for path in _libraries.loaded_paths([need]))
    assert [Path(path).name for path in _libraries.loaded_paths([need])] == ["libc.so.6"]


# What a person sees -------------------------------------------------------------------------------------------------


def test_pips_lines_become_a_few_words():
    summary = _progress.PipSummary()
    assert summary("Collecting torch==2.13.0 (from -r x)") == "fetching torch==2.13.0"
    assert summary("  Downloading torch-2.13.0-cp311-manylinux.whl (191 MB)".strip()) == "fetching torch"
    assert summary("Progress 95000000 of 191000000") == "downloading torch: 95 MB of 191 MB"
    assert summary("Installing collected packages: a, b, c") == "unpacking 3 packages"
    assert summary("Requirement already satisfied: a") is None


def test_a_failing_command_shows_its_last_lines_and_where_the_rest_is(tmp_path: Path):
    seen = progress(tmp_path)
    seen.stage("Doing it")
    with pytest.raises(_progress.CommandError, match=r"Doing it failed \(exit status 3\)") as caught:
        seen.run([sys.executable, "-c", "print('the reason'); raise SystemExit(3)"])
    assert "the reason" in str(caught.value)
    assert str(seen.log) in str(caught.value)
    assert "the reason" in seen.log.read_text()
    with pytest.raises(_progress.SetupError, match="cannot start"):
        seen.run([str(tmp_path / "no-such-program")])


# The pins -----------------------------------------------------------------------------------------------------------


def test_every_requirement_is_pinned_once_and_every_pin_has_a_reason():
    pins: dict[str, str] = {}
    group_has_reason = False
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            group_has_reason = group_has_reason or (":" in line or "come with" in line)
            group_has_reason = group_has_reason and not (line.startswith("# ---") and ":" not in line)
        elif line.strip():
            requirement, _, reason = line.partition("#")
            name, separator, version = requirement.strip().partition("==")
            assert separator, line
            assert version, line
            key = name.lower().replace("_", "-")
            assert key not in pins, f"{name} is pinned twice"
            assert reason.strip() or group_has_reason, f"{name} is pinned without a reason"
            pins[key] = version
    for requirement in _requirements():
        assert requirement in pins, f"{requirement} has no pin in constraints.txt"
    assert pins["shiboken6"] == pins["pyside6-essentials"]


def _requirements() -> set[str]:
    import re
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = project["dependencies"] + project["optional-dependencies"]["test"]
    return {re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0].lower().replace("_", "-") for line in lines}
