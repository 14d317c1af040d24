"""Takes a merge back: every row as it was, what happened since sorted by rule, or a sentence why not.

Rules for what happened since: what hangs on an enrolment goes with it; what was done under an identifier goes to
whom the identifier belongs again; a column that somebody has changed since keeps the change; somebody who has refused
something since refuses it as both. A row that has been given to a third person stops the undo.
"""

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import IntegrityError, connection, transaction
from django.db.models import Q

from consent import audit, record
from consent.actors import Party
from consent.models import ConsentChange, Standing
from consent.scopes import Scope
from learners.merging import journal
from learners.merging.journal import Step
from learners.merging.merge import _name, lock
from learners.merging.registry import merging_modules
from learners.models import LinkCandidate, Merge


class CannotUndo(Exception):
    """The merge stands; the message says why, or what to undo first."""


@dataclass
class Undoing:
    """A merge being taken back."""

    merge: Merge
    duplicate: UUID
    into: UUID
    now: datetime
    moved: list[int] = field(default_factory=list)
    staying: dict[int, int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    # What modules note before rows are put back: how places in the cap ledger stand, what was computed since.
    states: dict[int, str] = field(default_factory=dict)
    computed: set[int] = field(default_factory=set)

    def keys_of(self, table: str) -> list[dict[str, object]]:
        """The primary keys of the rows of a table that the merge changed."""
        return [key for step in self.steps if step.table == table for key in step.keys]


def undo(*, merge_id: UUID, by: Party, now: datetime) -> Merge:
    """The merge, taken back. Raises CannotUndo, and then nothing has changed."""
    try:
        with transaction.atomic():
            found = Merge.objects.get(pk=merge_id)
            learners = lock((found.duplicate_id, found.kept_id))
            merge = Merge.objects.select_for_update(of=("self",)).get(pk=merge_id)
            if merge.undone_at is not None:
                raise CannotUndo("This merge has been undone already.")
            if any(learner.erased_at is not None for learner in learners.values()):
                raise CannotUndo("The person has been erased: there is nothing left to take apart.")
            _refuse_out_of_order(merge)
            undoing = _read(merge, now)
            for step in undoing.steps:
                if rows := journal.torn(step):
                    raise CannotUndo(
                        f"{rows} rows of {step.table} have been given to somebody else since the merge. Give them back "
                        "first."
                    )
            later = _later_refusals(merge)
            _put_back(undoing)
            _consent(undoing, later, by=by)
            Merge.objects.filter(pk=merge.pk).update(undone_at=now, undone_by=by.uuid)
            if merge.candidate_id is not None:
                # "The same person" no longer holds. What does, a person says: the pair is asked about again.
                LinkCandidate.objects.filter(pk=merge.candidate_id, state=LinkCandidate.State.SAME).update(
                    state=LinkCandidate.State.WAITING, decided_at=None, decided_by=None
                )
            audit.record(
                actor=by,
                action="learners.merge_undone",
                target=Party("learner", merge.kept_id),
                now=now,
                detail={"merge": str(merge.pk), "learners": [str(undoing.duplicate), str(undoing.into)]},
            )
    except IntegrityError as fault:
        raise CannotUndo(
            f"What has happened since the merge leaves no room for what was before ({_name(fault)}). End or correct "
            "the later one first."
        ) from fault
    merge.refresh_from_db()
    return merge


def _refuse_out_of_order(merge: Merge) -> None:
    """Later merges of either record moved these rows on: they are taken back first."""
    both = (merge.duplicate_id, merge.kept_id)
    later = (
        Merge.objects.filter(Q(kept__in=both) | Q(duplicate__in=both), undone_at__isnull=True)
        .filter(Q(at__gt=merge.at) | Q(at=merge.at, duplicate=merge.kept_id))
        .exclude(pk=merge.pk)
        .order_by("-at")
        .first()
    )
    if later is not None:
        raise CannotUndo(
            f"These records were merged again on {later.at:%d %B %Y} ({later}). Undo that first."
        )


def _read(merge: Merge, now: datetime) -> Undoing:
    return Undoing(
        merge=merge,
        duplicate=merge.duplicate_id,
        into=merge.kept_id,
        now=now,
        moved=list(merge.plan.get("moved", ())),
        staying={int(d): s for d, s in merge.plan.get("staying", {}).items()},
        steps=[Step(row.table, row.keys, row.before, row.after) for row in merge.steps.order_by("position")],
    )


def _put_back(undoing: Undoing) -> None:
    modules = [module for _, module in merging_modules()]
    with connection.cursor() as cursor:
        # A called-off decision stands again: the database lets that happen to nobody else.
        cursor.execute("SET LOCAL rekindle.unmerging = 'on'")
    for module in reversed(modules):
        if hasattr(module, "before_undo"):
            module.before_undo(undoing)
    # As they were noted: people and what they own, then what hangs on it (an enrolment that moves marks itself by
    # trigger, before its mark is put back). Rows taken away come back last.
    for step in sorted(undoing.steps, key=lambda one: (one.after is None, one.before is None)):
        journal.put_back(step)
    for module in modules:
        if hasattr(module, "undo"):
            module.undo(undoing)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL rekindle.unmerging = 'off'")


def _later_refusals(merge: Merge) -> list[Scope]:
    """What the person has refused since the merge, as one."""
    since = ConsentChange.objects.filter(subject=merge.kept_id, at__gt=merge.at, allowed=False)
    refused = Standing.objects.filter(subject=merge.kept_id, allowed=False).values_list("scope", flat=True)
    return [Scope(scope) for scope in sorted({*since.values_list("scope", flat=True)} & {*refused})]


def _consent(undoing: Undoing, later: list[Scope], *, by: Party) -> None:
    """The ledger says what stands again; what was refused since is refused by both."""
    if later:  # the merge may have refused the same, and that has been put back
        Standing.objects.filter(subject=undoing.into, scope__in=later).update(allowed=False)
        record.enforce(subject=undoing.into, now=undoing.now)
    last = {
        scope: ConsentChange.objects.filter(subject=undoing.into, scope=scope).order_by("-at", "-pk").first()
        for scope in Scope
    }
    for standing in Standing.objects.filter(subject=undoing.into, allowed=True).order_by("scope"):
        change = last[Scope(standing.scope)]
        if change is not None and not change.allowed:
            earlier = (
                ConsentChange.objects.filter(subject=undoing.into, scope=standing.scope, allowed=True)
                .order_by("-at", "-pk")
                .first()
            )
            ConsentChange.objects.create(
                subject=undoing.into,
                scope=standing.scope,
                allowed=True,
                by_kind=by.kind,
                by_uuid=by.uuid,
                text_version=earlier.text_version if earlier else None,
                language=earlier.language if earlier else change.language,
                at=undoing.now,
            )
    for scope in later:
        record.withdraw(subject=undoing.duplicate, scope=scope, by=by, now=undoing.now)
