"""Check everything: ``python3 scripts/test.py [PYTEST ARGUMENTS]``.

Makes ``.venv`` with the test extra (only where it is missing or out of date), brings Xvfb, Mesa and Chromium, then runs
ruff, pyright, import-linter and the whole test suite. All of them run, even after one has failed; the exit status is 0
only if all passed. pytest comes last, so that its own last line is the end of the output. Standard library only.
"""

import sys

import _interpreter

CHECKS = (
    ("ruff check", ["-m", "ruff", "check", "."]),
    ("ruff format", ["-m", "ruff", "format", "--check", "."]),
    ("pyright", ["-m", "pyright", "--warnings"]),
    ("import-linter", ["-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]),
)

# Of the whole suite only. A file's tests stay together: they share trained runs and engines. Files come in the order
# that tests/conftest.py gives them.
WORKERS = ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]


def run_check(name: str, arguments: list) -> bool:
    """Run one checker in the repository's root and show its output. Whether it passed."""
    import subprocess
    import time

    import _environment

    print(f"== {name}", flush=True)
    started = time.monotonic()
    status = subprocess.call([_environment.venv_python(), *arguments], cwd=_environment.ROOT)
    verdict = "ok" if status == 0 else f"FAILED (exit status {status})"
    print(f"== {name}: {verdict}, {time.monotonic() - started:.1f} s", flush=True)
    return status == 0


def run_pytest(arguments: list) -> int:
    """Run the suite; its exit status."""
    import subprocess

    import _environment

    variables = _environment.program_environment()
    variables["PYTHONFAULTHANDLER"] = "1"  # a crash inside Qt shows where
    variables["PYTHONSAFEPATH"] = ""  # pytest finds the tests from the root
    command = [_environment.venv_python(), "-m", "pytest", *(arguments or WORKERS)]
    return subprocess.call(command, cwd=_environment.ROOT, env=variables)


def main(arguments: list) -> int:
    """Prepare, check, test. Returns pytest's exit status, or 1 where only a checker failed."""
    import _environment
    import _setup
    from _progress import SetupError

    try:
        if not _environment.is_ready({"test"}) or not _environment.libraries_verified("tests"):
            _setup.prepare({"test"}, "tests")
        failed = [name for name, command in CHECKS if not run_check(name, command)]
        if failed:
            print(f"== FAILED before the tests: {', '.join(failed)} (this run will exit non-zero)", flush=True)
        print("== pytest", flush=True)
        return run_pytest(arguments) or (1 if failed else 0)
    except SetupError as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    _interpreter.ensure_recent()
    raise SystemExit(main(sys.argv[1:]))
