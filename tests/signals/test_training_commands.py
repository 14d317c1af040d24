"""manage.py train and evaluate: what they ask back where they cannot do what they are asked."""

import pytest
from django.core.management import CommandError, call_command

from tests.support.learners import make_course

pytestmark = pytest.mark.django_db


def test_it_names_the_presentations_there_are() -> None:
    make_course(iri="https://ou.example/BBB/2013J")

    with pytest.raises(CommandError, match=r"No course has the presentation 2031X\. There are: 2013J"):
        call_command("evaluate", train=["2013J"], test=["2031X"])


def test_it_does_not_judge_a_model_on_what_it_learned_from() -> None:
    with pytest.raises(CommandError, match="2013J cannot be both"):
        call_command("evaluate", train=["2013B", "2013J"], test=["2013J"])


def test_it_says_that_nobody_was_enrolled() -> None:
    make_course(iri="https://ou.example/BBB/2013B")
    make_course(iri="https://ou.example/BBB/2013J")

    with pytest.raises(CommandError, match="Nobody whose data may be used"):
        call_command("evaluate", train=["2013B"], test=["2013J"])


def test_it_refuses_marks_that_come_back_early() -> None:
    with pytest.raises(CommandError, match="--mark-lag is 0 or more"):
        call_command("evaluate", train=["2013B"], test=["2013J"], mark_lag=-1)


def test_it_says_that_no_run_is_over() -> None:
    with pytest.raises(CommandError, match="No run of a course was over"):
        call_command("train")


def test_it_refuses_to_train_as_of_a_day_to_come() -> None:
    with pytest.raises(CommandError, match="lies ahead"):
        call_command("train", as_of="2099-01-01")


def test_it_says_how_a_date_is_written() -> None:
    with pytest.raises(CommandError, match="write it as YYYY-MM-DD"):
        call_command("train", as_of="1.2.2013")


def test_it_names_the_labels_there_are() -> None:
    with pytest.raises(CommandError, match="passed_by_end@1"):
        call_command("train", label="happiness@1")
