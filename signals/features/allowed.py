"""Whom features may be computed about."""

from collections.abc import Iterable
from uuid import UUID

from consent import gate
from consent.scopes import Scope
from learners.models import Enrolment


def computable(enrolments: Iterable[Enrolment]) -> set[UUID]:
    """The learners of these enrolments about whom we may compute: not erased, and neither scope refused."""
    return allowing(
        row.learner_id
        for row in enrolments
        if row.learner.erased_at is None and row.learner.merged_into_id is None
    )


def allowing(learners: Iterable[UUID]) -> set[UUID]:
    """Those of these learners who refuse neither scope."""
    asked = set(learners)
    return gate.filter_allowed(asked, Scope.PROFILE) & gate.filter_allowed(asked, Scope.RECORD)
