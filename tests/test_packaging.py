"""What an installed Isoline consists of: every module and every resource is in the wheel, nothing else is, and the
torch-free half really runs without torch."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("core", "explorer", "isoline", "resources")

# These folders of core may be imported by the window's process, where torch would cost seconds and memory.
TORCH_FREE_FOLDERS = (
    "analysis",
    "cli",
    "data",
    "geometry",
    "paths",
    "protocol",
    "rendering",
    "reporting",
    "runs",
    "utils",
)
TORCH_FREE = (
    "config",
    *(
        f"{folder}.{path.stem}"
        for folder in TORCH_FREE_FOLDERS
        for path in sorted((ROOT / "core" / folder).glob("[!_]*.py"))
    ),
)


def sources() -> set[str]:
    """Every file of the packages, relative to the root, that belongs to the project."""
    return {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and path.suffix != ".pyc" and not any(part.startswith(".") for part in path.parts[-2:])
    }


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel built from a copy of the tree, byte code included as a working tree has it, without a network."""
    tree = tmp_path_factory.mktemp("tree")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy2(ROOT / name, tree)
    for package in PACKAGES:
        shutil.copytree(ROOT / package, tree / package)
    (tree / "resources" / "__pycache__").mkdir(exist_ok=True)
    (tree / "resources" / "__pycache__" / "stale.cpython-311.pyc").touch()
    program = "from setuptools import build_meta; build_meta.build_wheel('dist')"
    subprocess.run([sys.executable, "-c", program], cwd=tree, check=True, capture_output=True)
    (built,) = (tree / "dist").glob("isoline-*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_holds_every_module_and_every_resource_and_nothing_else(wheel: zipfile.ZipFile):
    packed = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert packed == sources()


def test_the_wheel_says_its_licence_and_gives_the_command(wheel: zipfile.ZipFile):
    names = wheel.namelist()
    (licence,) = [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]
    assert b"MIT License" in wheel.read(licence)
    (entry_points,) = [name for name in names if name.endswith("entry_points.txt")]
    assert b"isoline = explorer.__main__:main" in wheel.read(entry_points)


def test_the_package_and_the_project_agree_on_the_version():
    import core

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert core.__version__ == project["version"]


def test_resources_are_read_from_the_wheel_in_an_empty_folder(wheel: zipfile.ZipFile, tmp_path: Path):
    site = tmp_path / "site"
    wheel.extractall(site)
    program = (
        "from importlib.resources import files; import core, resources;"
        "print(sorted(path.name for path in files(resources).iterdir() if not path.name.startswith('__')))"
    )
    output = subprocess.check_output(
        [sys.executable, "-P", "-c", f"import sys; sys.path.insert(0, {str(site)!r})\n" + program],
        cwd=tmp_path,
        text=True,
    )
    expected = sorted(path.name for path in (ROOT / "resources").iterdir() if not path.name.startswith("__"))
    assert output.strip() == str(expected)


BLOCK_TORCH = """
import importlib, sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "lightning_fabric"):
            raise ImportError(name + " was imported")
sys.meta_path.insert(0, Block())
for name in sys.argv[1:]:
    importlib.import_module(name)
"""


def import_without_torch(*modules: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", BLOCK_TORCH, *modules], cwd=ROOT, capture_output=True, text=True)


def test_no_module_of_the_explorer_imports_torch():
    modules = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in sorted((ROOT / "explorer").rglob("*.py"))
        if path.name != "__init__.py"
    ]
    result = import_without_torch(*modules)
    assert result.returncode == 0, result.stderr


def test_what_the_explorer_uses_of_core_imports_no_torch():
    result = import_without_torch(*(f"core.{name}" for name in TORCH_FREE))
    assert result.returncode == 0, result.stderr


def test_core_imports_neither_qt_nor_the_explorer(preloaded_python):
    program = (
        "import importlib, pkgutil, sys, core\n"
        "for module in pkgutil.walk_packages(core.__path__, 'core.'):\n"
        "    importlib.import_module(module.name)\n"
        "found = {name.partition('.')[0] for name in sys.modules} & {'PySide6', 'pyqtgraph', 'explorer', 'qtpy'}\n"
        "assert not found, found\n"
    )
    command = [preloaded_python.executable, "-c", program]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
