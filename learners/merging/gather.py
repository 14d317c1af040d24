"""What was on its way in about a duplicate while it was merged follows it.

Taking statements in locks no learner, so a batch that knew the duplicate before the merge may be written after it.
"""

from datetime import datetime, timedelta

from django.db import transaction

from learners.merging import journal
from learners.merging.journal import Journal
from learners.merging.merge import Plan, lock, twins
from learners.merging.registry import merging_modules
from learners.models import Enrolment, Merge

LATE = timedelta(days=1)  # a transaction that has not ended by then never will


def gather(*, now: datetime, limit: int = 100) -> int:
    """The stage: how many merges had something come late. Finds nothing when run again."""
    recent = Merge.objects.filter(undone_at__isnull=True, at__gt=now - LATE).order_by("at", "pk")
    return sum(_gather(merge, now) for merge in recent[:limit])


def _gather(merge: Merge, now: datetime) -> bool:
    modules = [module for _, module in merging_modules() if hasattr(module, "straggling")]
    plan = Plan(
        merge.duplicate_id,
        merge.kept_id,
        now,
        staying={int(mine): kept for mine, kept in merge.plan["staying"].items()},
    )
    late = Enrolment.objects.filter(learner=plan.duplicate).exclude(pk__in=plan.staying)
    if not late.exists() and not any(module.straggling(plan.duplicate) for module in modules):
        return False
    with transaction.atomic():
        lock(plan.both)
        merge = Merge.objects.select_for_update(of=("self",)).get(pk=merge.pk)
        if merge.undone_at is not None:
            return False
        for mine, twin in twins(plan):
            if twin is not None:
                plan.staying.setdefault(mine.pk, twin.pk)
            else:
                plan.moved.append(mine.pk)
        noted = Journal([])
        Enrolment.objects.filter(pk__in=plan.moved).update(learner=plan.into)
        noted.moved(
            Enrolment._meta.db_table,
            [{"id": pk} for pk in plan.moved],
            {"learner_id": str(plan.duplicate)},
            {"learner_id": str(plan.into)},
        )
        for module in modules:
            module.merge(plan, noted)
        merge.plan = {
            "moved": [*merge.plan["moved"], *plan.moved],
            "staying": {str(mine): kept for mine, kept in plan.staying.items()},
        }
        merge.save(update_fields=["plan"])
        last = merge.steps.order_by("-position").first()
        journal.store(merge, noted.steps(), after=last.position if last else 0)
    return True
