"""A stage works in turns, so that one with endless work does not keep the others waiting."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from config import stages, tasks
from config.celery import Queue
from config.stages import Ran, Stage

NOW = datetime(2026, 5, 1, tzinfo=UTC)
batches: Iterator[int] = iter(())


def work(*, now: datetime) -> int:
    return next(batches)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    """One whose batches of work are 3, 2, and then none."""
    monkeypatch.setitem(globals(), "batches", iter((3, 2, 0)))
    made = Stage("refresh", f"{__name__}.work", Queue.PATH, 5)
    monkeypatch.setitem(stages.BY_NAME, "refresh", made)
    return made


@pytest.fixture
def nudged(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    names: list[str] = []
    monkeypatch.setattr(tasks, "nudge", lambda *, stage: names.append(stage))
    return names


def test_a_stage_works_until_nothing_is_left(stage: Stage) -> None:
    assert stage.run(now=NOW) == Ran(rows=5, is_done=True)


def test_a_stage_whose_time_is_over_finishes_its_batch_and_says_so(stage: Stage) -> None:
    assert stage.run(now=NOW, seconds=0) == Ran(rows=3, is_done=False)


def test_a_task_out_of_time_asks_for_the_next_stage_before_its_own_next_turn(
    stage: Stage, nudged: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "TURN_SECONDS", 0.0)
    assert tasks.run_stage(stage="refresh") == 3
    assert nudged == ["evaluate", "refresh"]


def test_a_task_that_is_done_asks_only_for_the_next_stage(stage: Stage, nudged: list[str]) -> None:
    assert tasks.run_stage(stage="refresh") == 5
    assert nudged == ["evaluate"]
