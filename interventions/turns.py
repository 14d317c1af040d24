"""Whose turn it is with an enrolment: its watch row is the lock of whatever is decided about it, and comes first.

Deciding holds watches and then calls messages, approvals and episodes off. Whoever holds one of these and then asks for
the watch (to have it looked at again) would wait for deciding while deciding waits for them, until the database ends
one of the two. So everything that may call a step off begins here: after the consent row, before anything else.
"""

from collections.abc import Iterable

from interventions.models import Decision, Watch


def wait_for(enrolment_ids: Iterable[int]) -> None:
    """Waits until nobody decides about these enrolments, and keeps others from it. Inside a transaction."""
    _lock(enrolment_ids, skip=False)


def take_free(enrolment_ids: Iterable[int]) -> set[int]:
    """Those of these enrolments about which nobody decides just now; they are ours. Inside a transaction."""
    return _lock(enrolment_ids, skip=True)


def wait_for_decisions(decision_ids: Iterable[object]) -> None:
    """The same for the enrolments that these decisions are about."""
    wait_for(Decision.objects.filter(pk__in=list(decision_ids)).values_list("enrolment_id", flat=True))


def _lock(enrolment_ids: Iterable[int], *, skip: bool) -> set[int]:
    wanted = sorted(set(enrolment_ids))
    if not wanted:
        return set()
    rows = (
        Watch.objects.select_for_update(skip_locked=skip, of=("self",)).filter(pk__in=wanted).order_by("pk")
    )
    locked = set(rows.values_list("pk", flat=True))
    missing = set(wanted) - set(Watch.objects.filter(pk__in=wanted).values_list("pk", flat=True))
    if missing:
        # One that somebody is just making is waited for too.
        Watch.objects.bulk_create([Watch(pk=pk) for pk in sorted(missing)], ignore_conflicts=True)
        locked |= set(rows.values_list("pk", flat=True))
    return locked
