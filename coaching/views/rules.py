"""The review board's page about rules: those that look at something close to a protected attribute."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from coaching.views.pages import for_role, person
from interventions.models import Rule
from interventions.rules import checks, condition, store
from learners.models import Role


@for_role(Role.REVIEWER)
@require_safe
def to_review(request: HttpRequest) -> HttpResponse:
    """Drafts that wait for the board's yes, each with what it would have done and why the board is asked."""
    now = timezone.now()
    drafts = (
        Rule.objects.filter(state=Rule.State.DRAFT, needs_review=True, reviewed_at__isnull=True)
        .select_related("lesson", "owner")
        .order_by("created_at", "pk")
    )
    lines = [
        {
            "rule": rule,
            "words": condition.sentence(condition.load(rule.when)),
            "found": checks.check(rule, now=now),
            "is_mine": rule.created_by == person(request).pk,
        }
        for rule in drafts
    ]
    return render(request, "rules_to_review.html", {"lines": lines})


@for_role(Role.REVIEWER)
@require_POST
def say_yes(request: HttpRequest, rule_id: int) -> HttpResponse:
    """Records the board's yes to a draft as it was read."""
    rule = get_object_or_404(Rule, pk=rule_id, state=Rule.State.DRAFT, needs_review=True)
    if request.POST.get("words") != condition.sentence(condition.load(rule.when)):
        messages.info(request, "The rule was changed in the meantime. Here is how it stands now.")
        return redirect("rules_to_review")
    try:
        store.review(rule=rule, by=person(request), now=timezone.now())
    except (store.NotADraft, store.NotOfTheBoard) as refused:
        messages.info(request, str(refused))
    else:
        messages.info(request, f"Noted: the board says yes to “{rule.title}”.")
    return redirect("rules_to_review")
