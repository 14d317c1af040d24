"""The review queue: pairs that may be one person, side by side, and merges that can be undone.

Lists show pseudonyms. Opening a pair shows names, to administrators only, and leaves a trace of both people.
"""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.shortcuts import render
from django.urls import path, reverse
from django.urls.resolvers import URLPattern
from django.utils import timezone

from consent.actors import Party
from learners import access
from learners.identity import IdentifierTaken
from learners.linking import review
from learners.merging.undo import CannotUndo, undo
from learners.models import Enrolment, Learner, LinkCandidate, LinkRecord, Merge, User


class ReadOnly(admin.ModelAdmin):
    """Rows that people decide about on their own page, and that no form changes."""

    show_full_result_count = False
    list_per_page = 50
    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(LinkCandidate)
class LinkCandidateAdmin(ReadOnly):
    list_display = ("pair", "likely", "state", "found_at", "decided_at")
    list_filter = ("state", "found_at")
    list_select_related = ("left", "right")
    ordering = ("-probability", "pk")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LinkCandidate]:
        return super().get_queryset(request).exclude(state=LinkCandidate.State.MOOT)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        if not request.GET:  # the queue is what one comes for
            return HttpResponseRedirect(f"{request.path}?state__exact={LinkCandidate.State.WAITING}")
        return super().changelist_view(request, {**(extra_context or {}), "title": "Possibly one person"})

    @admin.display(description="pair")
    def pair(self, candidate: LinkCandidate) -> str:
        return f"{candidate.left} and {candidate.right}"

    @admin.display(description="likely one person", ordering="probability")
    def likely(self, candidate: LinkCandidate) -> str:
        return f"{candidate.probability:.0%}" if candidate.probability < 0.995 else "almost certainly"

    def get_urls(self) -> list[URLPattern]:
        decide = path(
            "<int:pk>/decide/", self.admin_site.admin_view(self.decide), name="learners_linkcandidate_decide"
        )
        return [decide, *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Both sides, what speaks for and against, and the three answers."""
        candidate = self.get_object(request, object_id)
        if candidate is None:
            raise Http404
        assert isinstance(request.user, User)  # the admin site lets nobody else in
        sides = [_Side(record) for record in (candidate.left, candidate.right)]
        shown = [side.learner for side in sides if side.learner is not None]
        access.audited(request.user, shown, action="admin.link_pair_read", now=timezone.now())
        done = Merge.objects.filter(candidate=candidate, undone_at__isnull=True).first()
        return render(
            request,
            "admin/learners/linkcandidate/review.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": f"Is this one person? {self.pair(candidate)}",
                "candidate": candidate,
                "likely": self.likely(candidate),
                "sides": sides,
                "evidence": review.explained(candidate.evidence),
                "open": candidate.state in (LinkCandidate.State.WAITING, LinkCandidate.State.UNSURE),
                "merge": done,
                "rows": [
                    (label, left, right, left == right != "—")
                    for (label, left), (_, right) in zip(sides[0].facts, sides[1].facts, strict=True)
                ],
                "has_actor": any(side.learner is None for side in sides),
            },
        )

    def decide(self, request: HttpRequest, pk: int) -> HttpResponse:
        """One of the answers; afterwards the next pair that waits."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not self.get_queryset(request).filter(pk=pk).exists():
            raise Http404
        assert isinstance(request.user, User)
        answer, now, by = request.POST.get("answer", ""), timezone.now(), request.user.pk
        here = reverse("admin:learners_linkcandidate_change", args=[pk])
        try:
            match answer:
                case "same":
                    review.same(candidate_id=pk, keep=_uuid(request.POST.get("keep", "")), by=by, now=now)
                case "different":
                    review.different(candidate_id=pk, by=by, now=now)
                case "unsure":
                    review.unsure(candidate_id=pk, by=by, now=now)
                case "take_back":
                    review.take_back(candidate_id=pk, by=by, now=now)
                case _:
                    messages.error(request, "Choose one of the answers.")
                    return HttpResponseRedirect(here)
        except (review.AlreadyDecided, review.CannotMerge, CannotUndo, IdentifierTaken) as fault:
            messages.error(request, str(fault))
            return HttpResponseRedirect(here)
        messages.success(request, _SAID[answer])
        following = LinkCandidate.objects.filter(state=LinkCandidate.State.WAITING).order_by(
            "-probability", "pk"
        )
        one = following.first()
        if one is None:
            return HttpResponseRedirect(reverse("admin:learners_linkcandidate_changelist"))
        return HttpResponseRedirect(reverse("admin:learners_linkcandidate_change", args=[one.pk]))


@admin.register(Merge)
class MergeAdmin(ReadOnly):
    list_display = ("__str__", "kept", "duplicate", "at", "undone_at")
    list_filter = (("undone_at", admin.EmptyFieldListFilter), "at")
    list_select_related = ("kept", "duplicate")
    fields = readonly_fields = (
        "kept",
        "duplicate",
        "at",
        "by_kind",
        "by_uuid",
        "why",
        "rows",
        "undone_at",
        "undone_by",
    )
    change_form_template = "admin/learners/merge/change_form.html"

    @admin.display(description="evidence")
    def why(self, merge: Merge) -> str:
        return (
            "; ".join(f"{what}: {how} ({bits:+.1f})" for what, how, bits in review.explained(merge.evidence))
            or "—"
        )

    @admin.display(description="rows moved")
    def rows(self, merge: Merge) -> str:
        counts: dict[str, int] = {}
        for table, keys in merge.steps.values_list("table", "keys"):
            counts[table] = counts.get(table, 0) + len(keys)
        return ", ".join(f"{table} {count}" for table, count in sorted(counts.items())) or "—"

    def get_urls(self) -> list[URLPattern]:
        back = path("<uuid:pk>/undo/", self.admin_site.admin_view(self.undo), name="learners_merge_undo")
        return [back, *super().get_urls()]

    def undo(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Takes the merge back, or says why not."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not Merge.objects.filter(pk=pk).exists():
            raise Http404
        assert isinstance(request.user, User)
        try:
            undo(merge_id=pk, by=Party("user", request.user.pk), now=timezone.now())
        except CannotUndo as fault:
            messages.error(request, str(fault))
        else:
            messages.success(request, "The two records are apart again, each as it was.")
        return HttpResponseRedirect(reverse("admin:learners_merge_change", args=[pk]))


_SAID = {
    "same": "Noted: one person. It can be undone.",
    "different": "Noted: two people. You will not be asked again unless something new speaks for it.",
    "unsure": "Noted: nobody can tell.",
    "take_back": "Taken back: the statements wait for their person again.",
}


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


class _Side:
    """One record as the page shows it."""

    def __init__(self, record: LinkRecord) -> None:
        self.record, self.learner = record, record.learner
        self.title = record.pseudonym
        self.facts = _learner_facts(record.learner) if record.learner else _actor_facts(record.agent or {})


def _learner_facts(learner: Learner) -> list[tuple[str, str]]:
    enrolments = (
        Enrolment.objects.filter(learner=learner).select_related("course").order_by("starts_on", "pk")
    )
    return [
        ("Name", learner.name or "—"),
        ("E-mail address or account", learner.email or "—"),
        ("Employee number", learner.employee_number or "—"),
        ("Unit", str(learner.unit or "—")),
        ("Job role", str(learner.job_role or "—")),
        ("First day", str(learner.started_on or "—")),
        ("Last day", str(learner.left_on or "—")),
        ("Enrolled in", ", ".join(one.course.name for one in enrolments) or "—"),
        ("Merged into", str(learner.merged_into or "—")),
    ]


def _actor_facts(agent: dict[str, Any]) -> list[tuple[str, str]]:
    account = agent.get("account")
    called = f"{account.get('name')} at {account.get('homePage')}" if isinstance(account, dict) else ""
    named = agent.get("mbox") or agent.get("openid") or called or "a hashed address"
    facts = [
        ("Name", str(agent.get("name") or "—")),
        ("E-mail address or account", str(named).removeprefix("mailto:")),
    ]
    return facts + [(label, "—") for label in _UNKNOWN]


_UNKNOWN = ("Employee number", "Unit", "Job role", "First day", "Last day", "Enrolled in", "Merged into")
