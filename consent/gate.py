"""May we? The one place that answers, when we compute and again when we are about to speak."""

from collections.abc import Iterable
from typing import TypeVar
from uuid import UUID

from django.db import models
from django.db.models import Exists, OuterRef

from consent.arrays import fetch, uuids
from consent.models import ConsentScope, Standing
from consent.scopes import LawfulBasis, Scope

M = TypeVar("M", bound=models.Model)


def _by_default(scope: Scope) -> bool:
    """Is the scope allowed for somebody who never said anything? Only where its basis is not consent."""
    row = ConsentScope.objects.filter(pk=scope).values_list("lawful_basis", "is_blocked").first()
    return row is not None and not row[1] and row[0] != LawfulBasis.CONSENT


def allows(subject: UUID, scope: Scope) -> bool:
    """Whether this person's data may be used for this purpose."""
    return subject in filter_allowed([subject], scope)


def filter_allowed(subjects: Iterable[UUID], scope: Scope) -> set[UUID]:
    """Those of these people whose data may be used for this purpose; one query whatever their number."""
    wanted = set(subjects)
    if not wanted:
        return set()
    rows = fetch(
        "SELECT c.is_blocked, c.lawful_basis, s.subject, s.allowed"
        f" FROM {ConsentScope._meta.db_table} c LEFT JOIN {Standing._meta.db_table} s"
        " ON s.scope = $1 AND s.subject = ANY($2) AND s.allowed IS NOT NULL WHERE c.key = $1",
        [str(scope), uuids(list(wanted))],
    )
    if not rows or rows[0][0]:
        return set()
    said: dict[UUID, bool] = {subject: allowed for _, _, subject, allowed in rows}
    by_default = rows[0][1] != LawfulBasis.CONSENT
    return {subject for subject in wanted if said.get(subject, by_default)}


def only_allowing(
    queryset: models.QuerySet[M], scope: Scope, *, field: str = "learner_id"
) -> models.QuerySet[M]:
    """The rows whose person (named by ``field``) allows this purpose, as one SQL condition."""
    standings = Standing.objects.filter(scope=scope, subject=OuterRef(field))
    if _by_default(scope):
        return queryset.exclude(Exists(standings.filter(allowed=False)))
    if ConsentScope.objects.filter(pk=scope, is_blocked=False).exists():
        return queryset.filter(Exists(standings.filter(allowed=True)))
    return queryset.none()


def locked_standing(subject: UUID, scope: Scope) -> Standing:
    """The person's row for this scope, locked until the transaction ends and made where it was missing."""
    rows = Standing.objects.select_for_update().filter(subject=subject, scope=scope)
    standing = rows.first()
    if standing is None:
        # Whoever inserts second waits here for the first to commit, and then finds the row.
        Standing.objects.bulk_create([Standing(subject=subject, scope=scope)], ignore_conflicts=True)
        standing = rows.get()
    return standing


def lock_and_filter(subjects: Iterable[UUID], scope: Scope) -> set[UUID]:
    """As ``lock_and_allows`` for many people at once, locked by their ids; those who allow it."""
    wanted = set(subjects)
    rows = Standing.objects.select_for_update().filter(subject__in=wanted, scope=scope).order_by("subject")
    missing = wanted - {standing.subject for standing in rows}
    if missing:
        # Rows that are new to the table are taken in the same order as those that were there.
        Standing.objects.bulk_create(
            [Standing(subject=subject, scope=scope) for subject in sorted(missing)], ignore_conflicts=True
        )
        list(rows.all())
    return filter_allowed(wanted, scope)


def lock_and_allows(subject: UUID, scope: Scope) -> bool:
    """Locks the person's standing, so that a withdrawal comes wholly before or wholly after; then answers.

    Inside a transaction. What follows an answer of True in the same transaction is the point of no return.
    """
    standing = locked_standing(subject, scope)
    if standing.allowed is not None:
        blocked = ConsentScope.objects.filter(pk=scope, is_blocked=True).exists()
        return standing.allowed and not blocked
    return _by_default(scope)
