"""What people declared of themselves, for those who audit a model's fairness. Nothing that computes a risk reads it."""

from collections.abc import Iterable

from learners.models import DeclaredAttribute, Enrolment


def attributes(enrolment_ids: Iterable[int]) -> dict[int, dict[str, str]]:
    """What the learners of these enrolments declared, {enrolment: {attribute: value}}; two queries."""
    learners = dict(
        Enrolment.objects.filter(pk__in=list(enrolment_ids)).order_by("pk").values_list("pk", "learner_id")
    )
    said: dict[object, dict[str, str]] = {}
    for row in DeclaredAttribute.objects.filter(learner__in=set(learners.values())).order_by("pk"):
        said.setdefault(row.learner_id, {})[row.name] = row.value
    return {enrolment: said.get(learner, {}) for enrolment, learner in learners.items()}
