import os
import shutil
import zipfile

import pytest
from small_run import make_small_run

from core.projects.archive import ProjectWriter, read_project
from core.projects.embedded import add_run, embedded_files, embedded_size, has_run, unpack_run
from core.projects.project import Project, ProjectError
from core.projects.run_reference import reference
from core.runs.directory import RunDirectory

NEEDED = {"config.json", "probe.npz", "weights.safetensors", "embeddings/live.npy", "paths/one.json"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = make_small_run(tmp_path_factory.mktemp("runs") / "small")
    run.write_embedding(run.read_embedding(), 1)
    run.write_embedding(run.read_embedding(), 2)
    return run


@pytest.fixture(scope="module")
def project(run, tmp_path_factory):
    file = tmp_path_factory.mktemp("projects") / "p.isoline"
    ProjectWriter().write(file, Project(reference(run)), add_files=lambda archive: add_run(archive, run, 1))
    return file


def test_a_run_opens_elsewhere_as_it_was(run, project, tmp_path):
    assert has_run(project)
    unpacked = RunDirectory.open(unpack_run(project, tmp_path / "not yet", "small"))
    assert unpacked.path == tmp_path / "not yet" / "small"
    assert unpacked.fingerprint == read_project(project).run.fingerprint
    files = {path.relative_to(unpacked.path).as_posix() for path in unpacked.path.rglob("*") if path.is_file()}
    assert files == NEEDED | {"embeddings/epoch-000001.npy"}
    for name in files:
        assert (unpacked.path / name).read_bytes() == (run.path / name).read_bytes()
    assert embedded_size(run, 1) == sum((run.path / name).stat().st_size for name in files)


def test_nothing_is_written_over(project, tmp_path):
    (tmp_path / "small").mkdir()
    (tmp_path / "small" / "mine").touch()
    (tmp_path / "small (2)").symlink_to(tmp_path / "nowhere")
    assert unpack_run(project, tmp_path, "small").name == "small (3)"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small", "small (2)", "small (3)"]


def test_the_name_of_its_folder_is_one(project, tmp_path):
    assert unpack_run(project, tmp_path, "../../x").parent == tmp_path
    assert unpack_run(project, tmp_path, "..").name == "run"


def test_without_weights_a_checkpoint_goes_in_and_without_live_means_the_newest_epoch(run, tmp_path):
    other = RunDirectory.open(shutil.copytree(run.path, tmp_path / "other"))
    other.embedding_path(None).unlink()
    os.rename(other.weights_path, other.best_checkpoint_path)
    names = set(embedded_files(other))
    assert names == (NEEDED - {"weights.safetensors", "embeddings/live.npy"}) | {
        "checkpoints/best.safetensors",
        "embeddings/epoch-000002.npy",
    }


def test_links_of_a_run_do_not_go_in(run, tmp_path):
    other = RunDirectory.open(shutil.copytree(run.path, tmp_path / "other"))
    (other.path / "model").mkdir()
    (other.path / "model" / "a.onnx").write_bytes(b"a")
    (other.path / "model" / "b.onnx").symlink_to("/etc/hostname")
    assert "model/a.onnx" in embedded_files(other)
    assert "model/b.onnx" not in embedded_files(other)


@pytest.mark.parametrize(
    "name",
    ["../x", "/x", "model/../../x", "x.py", "config.json/x", "model\\x", "model/.", "model/a\nb"],
)
def test_a_file_that_is_none_of_a_run_is_not_unpacked(project, tmp_path, name):
    damaged = tmp_path / "d.isoline"
    shutil.copy(project, damaged)
    with zipfile.ZipFile(damaged, "a") as archive:
        archive.writestr(zipfile.ZipInfo(f"run/{name}"), b"x")
    with pytest.raises(ProjectError, match=r"is no file of a run|names that some systems"):
        unpack_run(damaged, tmp_path / "runs", "small")
    assert not (tmp_path / "runs").exists() or not any((tmp_path / "runs").iterdir())


def test_a_link_in_an_archive_is_not_unpacked(project, tmp_path):
    damaged = tmp_path / "d.isoline"
    shutil.copy(project, damaged)
    link = zipfile.ZipInfo("run/model/x.onnx")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(damaged, "a") as archive:
        archive.writestr(link, "/etc/hostname")
    with pytest.raises(ProjectError, match="is no file of a run"):
        unpack_run(damaged, tmp_path / "runs", "small")


def test_a_run_that_cannot_be_opened_is_not_left_behind(run, tmp_path):
    file = tmp_path / "d.isoline"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("run/config.json", "{")
    with pytest.raises(ProjectError, match="the run in it cannot be opened"):
        unpack_run(file, tmp_path / "runs", "small")
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_project_without_a_run_and_a_folder_that_cannot_be_written_are_said(project, tmp_path):
    ProjectWriter().write(tmp_path / "p.isoline", Project())
    assert not has_run(tmp_path / "p.isoline")
    with pytest.raises(ProjectError, match="no run is embedded in it"):
        unpack_run(tmp_path / "p.isoline", tmp_path, "small")
    (tmp_path / "file").touch()
    with pytest.raises(ProjectError, match="file cannot be written"):
        unpack_run(project, tmp_path / "file", "small")
