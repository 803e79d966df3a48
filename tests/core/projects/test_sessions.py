import os
import subprocess
import sys

import pytest

from core.projects import sessions
from core.projects.archive import ProjectWriter
from core.projects.project import Project
from core.projects.sessions import claim, claim_latest, claim_new, earlier_sessions


def write(session, ended="", age=0.0):
    ProjectWriter().write(session.path, Project(), ended=ended)
    used = os.stat(session.path).st_mtime - age
    os.utime(session.path, (used, used))
    return session


def test_each_window_has_a_file_of_its_own_and_the_last_used_free_one_is_continued(tmp_path):
    first, second, third = (claim_new(tmp_path) for _ in range(3))
    write(first, "closed", age=20).release()
    write(second, "closed", age=10).release()
    write(third)  # its window lives
    assert len({first.path, second.path, third.path}) == 3
    continued, about = claim_latest(tmp_path)
    assert (continued.path, about.ended) == (second.path, "closed")
    continued_too, _ = claim_latest(tmp_path)
    assert continued_too.path == first.path
    assert claim_latest(tmp_path) is None
    for session in (third, continued, continued_too):
        session.release()


def test_a_session_that_was_left_for_another_run_is_listed_and_not_continued(tmp_path):
    write(left := claim_new(tmp_path), "left").release()
    assert claim_latest(tmp_path) is None
    assert [earlier.path for earlier in earlier_sessions(tmp_path)] == [left.path]


def test_the_session_of_a_window_that_was_killed_is_free(tmp_path):
    code = (
        "import sys, pathlib, time; from core.projects.sessions import claim_new; from core.projects.archive import *;"
        "from core.projects.project import Project; s = claim_new(pathlib.Path(sys.argv[1]));"
        "ProjectWriter().write(s.path, Project()); print(s.path, flush=True); time.sleep(99)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
        path = child.stdout.readline().strip()
        assert claim_latest(tmp_path) is None
        child.kill()
    session, about = claim_latest(tmp_path)
    assert (str(session.path), about.ended) == (path, "")
    session.release()


def test_one_in_use_cannot_be_claimed_and_one_removed_leaves_nothing(tmp_path):
    session = write(claim_new(tmp_path))
    assert claim(session.path) is None
    session.release(remove=True)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_one_is_listed_with_the_reason_and_passed_over(tmp_path):
    write(sound := claim_new(tmp_path), "closed", age=10).release()
    (tmp_path / "damaged.isoline").write_bytes(b"PK")
    assert "is damaged" in earlier_sessions(tmp_path)[0].problem
    session, _ = claim_latest(tmp_path)
    assert session.path == sound.path
    session.release()


def test_the_oldest_beyond_the_limit_go_unless_they_are_in_use(tmp_path, monkeypatch):
    monkeypatch.setattr(sessions, "MOST", 2)
    old = [write(claim_new(tmp_path), "left", age=100 - number) for number in range(4)]
    for session in old[1:]:
        session.release()
    new = claim_new(tmp_path)
    left = set(tmp_path.glob("*.isoline"))
    assert left == {old[0].path, old[2].path, old[3].path}
    for session in (old[0], new):
        session.release()


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        claim_new(tmp_path / "file" / "sessions")
    assert earlier_sessions(tmp_path / "file") == []


def test_one_that_is_open_in_a_window_is_listed_as_such(tmp_path):
    write(claim_new(tmp_path), age=10).release()  # of a window that was killed
    lives = write(claim_new(tmp_path))
    assert [earlier.is_open for earlier in earlier_sessions(tmp_path)] == [True, False]
    lives.release()
