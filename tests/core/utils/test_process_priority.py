"""A training in the background gives way, and leaves the terminal it was started from alone."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "nice"), reason="this system has no niceness")

SHOW = (
    "import os; from core.utils.process_priority import AUTOGROUP, lower_priority; lower_priority(7);"
    "print(os.nice(0)); print(AUTOGROUP.read_text() if AUTOGROUP.exists() else '')"
)


def niceness(new_session: bool) -> tuple[int, str]:
    result = subprocess.run(
        [sys.executable, "-c", SHOW], start_new_session=new_session, capture_output=True, text=True, check=True
    )
    number, group = result.stdout.split("\n", 1)
    return int(number), group.strip()


def test_niceness_is_lowered_from_what_it_was():
    assert niceness(new_session=False)[0] == min(os.nice(0) + 7, 19)


def test_a_session_of_its_own_is_lowered_with_it():
    _, group = niceness(new_session=True)
    if not group:
        pytest.skip("this kernel has no autogroups")
    assert group.endswith("nice 7")


def test_a_shared_session_keeps_its_priority():
    _, group = niceness(new_session=False)
    assert not group.endswith("nice 7")


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="this system has no scheduling policies")
@pytest.mark.parametrize(("answers", "policy"), [("False", "SCHED_BATCH"), ("True", "SCHED_OTHER")])
def test_only_what_answers_interrupts_other_programs(answers: str, policy: str):
    show = (
        "import os; from core.utils.process_priority import lower_priority;"
        f"lower_priority(3, answers={answers}); print(os.sched_getscheduler(0) == os.{policy}, os.nice(0))"
    )
    result = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["True", str(min(os.nice(0) + 3, 19))]


def test_zero_changes_nothing():
    before = os.nice(0)
    from core.utils.process_priority import lower_priority

    lower_priority(0)
    assert os.nice(0) == before
