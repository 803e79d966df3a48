import dataclasses
import json
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from sample_projects import first_project, projects, second_project, whole_project

from core.paths.latent_path import LatentPath
from core.projects.archive import ProjectWriter, read_about, read_project
from core.projects.edited import Document, Edited, PackedPositions, Step
from core.projects.project import Project, ProjectError, misfit


def plain(value):
    """``value`` as what can be compared, arrays with their types."""
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    return value


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("projects")


@settings(max_examples=30)
@given(project=projects())
def test_what_is_written_is_read(project, folder):
    ProjectWriter().write(folder / "p.isoline", project)
    assert plain(read_project(folder / "p.isoline")) == plain(project)


@pytest.mark.parametrize(("name", "project"), [("v1", first_project), ("v2", second_project), ("v3", whole_project)])
def test_a_file_of_every_schema_is_read(name, project):
    assert plain(read_project(Path(__file__).with_name(f"{name}.isoline"))) == plain(project())


def test_steps_share_what_they_do_not_change_when_they_are_read(folder):
    document = Document(probe=np.ones(3, np.float32), path=LatentPath(np.zeros((2, 3))))
    steps = tuple(Step(str(n), Edited(document, selected=PackedPositions.of(np.array([n])))) for n in range(5))
    ProjectWriter().write(folder / "p.isoline", Project(steps=steps))
    read = read_project(folder / "p.isoline").steps
    assert len({id(step.edited.document) for step in read}) == 1
    with zipfile.ZipFile(folder / "p.isoline") as archive:
        assert sum(name.startswith("arrays/") for name in archive.namelist()) == 2 + 5


def test_a_second_file_of_the_same_writer_holds_what_is_new(folder):
    writer = ProjectWriter()
    project = whole_project()
    writer.write(folder / "p.isoline", project)
    more = Step("notes", dataclasses.replace(project.edited, notes="new"))
    project = dataclasses.replace(project, steps=(*project.steps[1:], more))
    writer.write(folder / "p.isoline", project)
    assert plain(read_project(folder / "p.isoline")) == plain(project)


def test_lists_are_told_which_run_how_much_and_how_it_ended(folder):
    ProjectWriter().write(folder / "p.isoline", whole_project(), ended="closed", run_name="small")
    about = read_about(folder / "p.isoline")
    assert (about.run, about.steps, about.ended) == ("small", 1, "closed")


def test_a_write_that_fails_leaves_the_file_as_it_was(folder):
    file = folder / "p.isoline"
    ProjectWriter().write(file, whole_project())
    before = file.read_bytes()

    def fail(archive):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        ProjectWriter().write(file, Project(), add_files=fail)
    assert file.read_bytes() == before
    assert [path.name for path in folder.glob(".*")] == []


# damaged files


def rewritten(file: Path, **members: bytes | None) -> Path:
    """A copy of the project in which some members have another content, or are missing."""
    other = file.with_name("damaged.isoline")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(other, "w") as new:
        for name in old.namelist():
            data = members.get(name.split("/")[0].removesuffix(".json"), old.read(name))
            if data is not None:
                new.writestr(name, data)
    return other


def changed(file: Path, change) -> Path:
    with zipfile.ZipFile(file) as archive:
        content = json.loads(archive.read("project.json"))
    change(content)
    return rewritten(file, project=json.dumps(content).encode())


@pytest.fixture
def file(tmp_path) -> Path:
    ProjectWriter().write(tmp_path / "p.isoline", whole_project())
    return tmp_path / "p.isoline"


def npy(array: np.ndarray) -> bytes:
    import io

    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda c: c.update(schema=4), "schema version 4, and this version of Isoline reads 1 to 3"),
        (lambda c: c.pop("schema"), "states no schema version"),
        (lambda c: c.update(position=7), "position 7 is none of its steps"),
        (lambda c: c.update(steps=[]), "has 0 steps"),
        (lambda c: c["steps"][0][1].update(document=9), "a step has value 9 of document"),
        (lambda c: c["steps"][0][1].update(nothing=0), "a step has value 0 of nothing"),
        (lambda c: c["camera"].update(distance=-1.0), "its camera has no distance"),
        (lambda c: c["camera"].update(target=[1e300, 0, 0]), "camera is not at a finite place"),
        (lambda c: c["traced"][0].__setitem__(0, 9), "a path was traced in step 9"),
        (lambda c: c["traced"][0][1].update(samples=[-1, None]), "a path cannot end at sample -1"),
        (lambda c: c["traced"][0][1].update(flagged=c["traced"][0][1]["labels"]), "its flags are float64"),
        (lambda c: c["camera"].update(azimuth=None), "Expected `float`, got `null`"),
        (lambda c: c["values"]["display"][0].update(opacity=7.0), "an opacity of 7.0"),
        (lambda c: c["values"]["display"][0].update(colormap="x"), "'x', which is unknown"),
        (lambda c: c["values"]["document"][0].update(probe={"array": "../../x"}), "has no arrays/../../x.npy"),
        (lambda c: c["values"]["document"][0].update(probe=7), "7 is no reference to an array"),
        (lambda c: c["values"]["document"][0].update(sample=-4), "sample -4 cannot be"),
        (lambda c: c["values"]["selected"][-1].update(count=10**8), "its selection is one of 100,000,000 samples"),
        (lambda c: c["values"]["playback"][0].update(frames=10**9), "1000000000 frames"),
        (lambda c: c["values"].update(notes=["x" * 2_000_000] * 2), "notes have 2,000,000 characters"),
    ],
)
def test_content_that_cannot_be_is_refused_with_file_and_fault(file, change, said):
    damaged = changed(file, change)
    with pytest.raises(ProjectError, match=said) as caught:
        read_project(damaged)
    assert str(caught.value).startswith(str(damaged))
    remedies = "Restore it from a copy.", "Open it with the version that wrote it.", "Isoline has saved (*.isoline)."
    assert str(caught.value).endswith(remedies)


@pytest.mark.parametrize(
    "array", [np.array([1, 2]), np.array([np.nan] * 3, np.float32), np.zeros((3, 3), np.float32), np.array(["x"] * 3)]
)
def test_arrays_of_other_types_shapes_or_values_are_refused(file, array):
    with pytest.raises(ProjectError, match="is damaged"):
        read_project(rewritten(file, arrays=npy(array)))


@pytest.mark.parametrize("members", [{"project": None}, {"project": b"["}, {"project": b"[" * 9999}, {"arrays": None}])
def test_missing_and_broken_members_are_refused(file, members):
    with pytest.raises(ProjectError, match="is damaged"):
        read_project(rewritten(file, **members))


def test_what_is_no_file_or_no_archive_is_refused(tmp_path):
    (tmp_path / "text.isoline").write_text("text")
    (tmp_path / "folder.isoline").mkdir()
    os.mkfifo(tmp_path / "pipe.isoline")
    (tmp_path / "empty.isoline").touch()
    for name, what in (("text", "no zip archive"), ("empty", "empty"), ("folder", "a folder"), ("pipe", "a pipe")):
        with pytest.raises(ProjectError, match=f"is not a project: it is {what}"):
            read_project(tmp_path / f"{name}.isoline")
    with pytest.raises(ProjectError, match="does not exist"):
        read_project(tmp_path / "missing.isoline")


# whether it fits a run


def test_it_fits_a_run_of_as_many_samples_and_dimensions():
    assert misfit(whole_project(), 60, 3) == ""
    assert misfit(whole_project(), 60, 2) == "it is about 3 latent dimensions, and the run has 2"
    assert misfit(whole_project(), 59, 3) == "it is about 60 samples or more, and the run has 59"
    assert misfit(whole_project(), 61, 3) == "it has attributes of 60 samples, and the run has 61"
