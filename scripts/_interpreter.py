"""Make sure that a recent enough Python runs the scripts; hand over to one that is, where the running one is too old.

The only file here, with the two scripts, that must parse on Python 3.6: an old interpreter should get a sentence, not
a syntax error. So nothing newer is used here.
"""

import os
import sys

OLDEST = (3, 11)

# Tried in this order: the version that the pins were tested with first, then its neighbours.
CANDIDATES = ("python3.11", "python3.12", "python3.13", "python3.14", "python3", "python")


def is_recent(version):
    """Whether ``version`` (a tuple such as ``sys.version_info``) can run Isoline."""
    return tuple(version[:2]) >= OLDEST


def _version_of(executable):
    """(major, minor) of an interpreter, or None where it does not run (a pyenv shim of a version not chosen, say)."""
    import subprocess

    try:
        output = subprocess.check_output(
            [executable, "-c", "import sys; print('%d %d' % sys.version_info[:2])"], stderr=subprocess.STDOUT
        )
        major, minor = output.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return None


def find_recent(search_path=None):
    """The first interpreter on PATH that is recent enough, as a full path; None where there is none."""
    folders = (os.environ.get("PATH", "") if search_path is None else search_path).split(os.pathsep)
    suffix = ".exe" if os.name == "nt" else ""
    for name in CANDIDATES:
        for folder in folders:
            executable = os.path.join(folder, name + suffix)
            if not os.access(executable, os.X_OK) or os.path.isdir(executable):
                continue
            version = _version_of(executable)
            if version is not None and is_recent(version):
                return executable
    return None


def ensure_recent(arguments=None):
    """Return if the running Python is recent enough; else run the script again with one that is, or explain and exit.

    ``arguments``: the script and its arguments, ``sys.argv`` by default. Exit status 2 where no Python fits.
    """
    if is_recent(sys.version_info):
        return
    arguments = sys.argv if arguments is None else arguments
    running = ".".join(str(part) for part in sys.version_info[:3])
    wanted = ".".join(str(part) for part in OLDEST)
    executable = find_recent()
    if executable is None:
        sys.stderr.write(
            "Isoline needs Python " + wanted + " or newer; this is Python " + running + " (" + sys.executable + ") and"
            " no newer one is on PATH.\nInstall one (Debian, Ubuntu: apt-get install python3; macOS: brew install"
            " python@3.12; Windows: https://www.python.org/downloads) and run: python3 " + " ".join(arguments) + "\n"
        )
        raise SystemExit(2)
    sys.stderr.write("Python " + running + " is too old for Isoline; continuing with " + executable + "\n")
    sys.stderr.flush()
    command = [executable] + list(arguments)  # noqa: RUF005 - the starred form is a syntax error on Python 2
    if os.name == "nt":
        import subprocess

        raise SystemExit(subprocess.call(command))
    os.execv(executable, command)
