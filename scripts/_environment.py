"""Where Isoline's environment lies, whether it is complete, and how to start a program in it.

``.venv`` is complete when its stamp, written last, matches what it was made from. Only this module runs when
everything is in place, so that the program starts at once: it imports next to nothing, and the slow parts
(``_setup``, ``_libraries``) are imported by the functions that need them.
"""

import hashlib
import os
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = "isoline-ready.txt"
UNFINISHED = "isoline-unfinished.txt"
SOURCES = ("pyproject.toml", "constraints.txt")


def venv_python(venv: str = VENV) -> str:
    """The environment's interpreter."""
    return os.path.join(venv, "Scripts", "python.exe") if os.name == "nt" else os.path.join(venv, "bin", "python")


def fingerprint(root: str = ROOT) -> str:
    """SHA-256 (hex) of what an environment is made from: the requirements, the pins, and the folder itself.

    The folder counts because the environment holds absolute paths: a tree that has moved needs a new installation.
    """
    digest = hashlib.sha256(os.path.realpath(root).encode())
    for name in SOURCES:
        with open(os.path.join(root, name), "rb") as file:
            digest.update(b"\0" + file.read())
    return digest.hexdigest()


def _read_stamp(venv: str) -> list[str]:
    """The stamp's two lines, fingerprint and extras; none where there is no sound stamp."""
    try:
        with open(os.path.join(venv, STAMP), encoding="utf-8") as file:
            lines = file.read().splitlines()
    except (OSError, UnicodeDecodeError):
        return []
    return lines if len(lines) == 2 else []


def stamped_extras(venv: str = VENV) -> set[str]:
    """The extras that the environment was last completed with; empty where there is no stamp."""
    return set("".join(_read_stamp(venv)[1:]).split())


def is_ready(extras: set[str], root: str = ROOT, venv: str = VENV) -> bool:
    """Whether the environment is complete, for these pins and with at least these extras."""
    if _read_stamp(venv)[:1] != [fingerprint(root)] or os.path.exists(os.path.join(venv, UNFINISHED)):
        return False
    return extras <= stamped_extras(venv) and os.access(venv_python(venv), os.X_OK)


def write_stamp(extras: set[str], root: str = ROOT, venv: str = VENV) -> None:
    """Record that the environment is complete; in one step, so that there is never half a stamp."""
    temporary = os.path.join(venv, STAMP + ".tmp")
    with open(temporary, "w", encoding="utf-8") as file:
        file.write(fingerprint(root) + "\n" + " ".join(sorted(extras)) + "\n")
    os.replace(temporary, os.path.join(venv, STAMP))


def libraries_verified(profile: str, venv: str = VENV) -> bool:
    """Whether every library file that an earlier check of ``profile`` found is still there (``none`` needs none)."""
    if profile == "none" or not sys.platform.startswith("linux"):
        return True
    try:
        with open(os.path.join(venv, f"isoline-libraries-{profile}.txt"), encoding="utf-8") as file:
            paths = file.read().splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    return bool(paths) and all(os.path.exists(path) for path in paths)


def record_libraries(profile: str, paths: list[str], venv: str = VENV) -> None:
    """Remember the library files that a check of ``profile`` found, if any."""
    if not paths:
        return
    with open(os.path.join(venv, f"isoline-libraries-{profile}.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(paths) + "\n")


def has_display() -> bool:
    """Whether a window can appear: always outside Linux; there with X11, Wayland or a Qt platform of one's own."""
    names = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    return not sys.platform.startswith("linux") or any(os.environ.get(name) for name in names)


def program_environment() -> dict[str, str]:
    """The variables that a program of this environment runs with.

    ``PYTHONSAFEPATH``: a folder named ``core`` where the person happens to be must not hide Isoline's own, here and in
    the processes that the program starts.
    """
    variables = {**os.environ, "VIRTUAL_ENV": VENV, "PYTHONSAFEPATH": "1"}
    variables.pop("PYTHONHOME", None)
    return variables


def become(arguments: list[str]) -> int:
    """Run the environment's Python with ``arguments`` in place of this process (on Windows: beside it).

    Returns the exit status, on Windows only: elsewhere this process has become the program.
    """
    command = [venv_python(), *arguments]
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name != "nt":
        os.execve(command[0], command, program_environment())
    import subprocess  # exec returns to the shell at once on Windows, with the program still running behind it

    return subprocess.call(command, env=program_environment())
