"""Quarantine in the admin: why each statement waits, what it says for those allowed, mending, trying, discarding."""

from collections.abc import Sequence
from typing import Any

from django.contrib import admin, messages
from django.db.models import Exists, OuterRef, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.timesince import timesince

from consent import audit
from consent.actors import Party
from learners.models import Role, User
from signals import preview, quarantine
from signals.models import Quarantined, Statement
from signals.views.credential_admin import KINDS, acting
from signals.views.forms import MendForm, OneMendForm, ReasonForm

MOST_AT_ONCE = 1000


def may_read(request: HttpRequest) -> bool:
    """Whether this user may read what was sent, word for word: being an administrator is not enough."""
    return isinstance(request.user, User) and request.user.has_role(Role.STEWARD)


class QuarantinedAdmin(admin.ModelAdmin):
    list_display = ("number", "what", "where", "source", "age", "state", "is_stored")
    list_filter = ("state", "reason", "credential")
    list_select_related = ("credential",)
    list_per_page = 50
    actions = ("try_again", "discard_several")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        def own(route: str, view: Any, name: str) -> URLPattern:
            return path(route, self.admin_site.admin_view(view), name=f"signals_quarantined_{name}")

        return [
            own("try/", self.try_view, "try"),
            own("discard/", self.discard_view, "discard"),
            *super().get_urls(),
        ]

    @admin.display(description="number", ordering="pk")
    def number(self, row: Quarantined) -> str:
        return f"#{row.pk}"

    @admin.display(description="why", ordering="reason")
    def what(self, row: Quarantined) -> str:
        return KINDS.get(row.reason, row.reason)

    @admin.display(description="where")
    def where(self, row: Quarantined) -> str:
        return ", ".join(fault["path"] for fault in row.faults[:3])

    @admin.display(description="source", ordering="credential__source")
    def source(self, row: Quarantined) -> str:
        return row.credential.source_name

    @admin.display(description="waits since", ordering="received_at")
    def age(self, row: Quarantined) -> str:
        return timesince(row.received_at, timezone.now(), depth=1)

    @admin.display(description="stored", boolean=True)
    def is_stored(self, row: Quarantined) -> bool:
        """Only what it means is held back."""
        return bool(row.held_only)  # type: ignore[attr-defined]  # annotated below

    def get_queryset(self, request: HttpRequest) -> QuerySet[Quarantined]:
        stored = Statement.objects.filter(pk=OuterRef("statement_id"), digest=OuterRef("digest"))
        rows = super().get_queryset(request).defer("body", "mended")
        return rows.annotate(held_only=Exists(stored))

    # --- one ------------------------------------------------------------------------------------------------------

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """One statement: what is wrong with it, what it says, what can be done."""
        row = self._row(object_id)
        text = self._text(request, row)
        waits = row.state == Quarantined.State.WAITING
        stored = (
            row.statement_id is not None
            and Statement.objects.filter(pk=row.statement_id, digest=bytes(row.digest)).exists()
        )
        posted = request.POST if request.method == "POST" else None
        form = OneMendForm(
            None if posted is None or "_discard" in posted else posted,
            text=text,
            may_edit=waits and not stored,
        )
        reasons = ReasonForm(posted if posted is not None and "_discard" in posted else None)
        seen: preview.Preview | None = None
        if posted is not None and waits:
            if "_discard" in posted:
                if reasons.is_valid():
                    self._discard(request, [row], reasons.cleaned_data["reason"])
                    return self._to_list()
            elif form.is_valid():
                if "_preview" in posted:
                    seen = self._preview(request, [row], form)
                elif self._requeue(request, [row], form):
                    return self._to_list()
                else:
                    row = self._row(object_id)
        return self._page(
            request,
            "admin/signals/quarantined/one.html",
            title=f"Quarantined statement #{row.pk}",
            row=row,
            why=KINDS.get(row.reason, row.reason),
            waits=waits,
            is_stored=stored,
            text=text,
            original=quarantine.body_of(row, original=True) if text is not None and row.mended else None,
            form=form,
            reasons=reasons,
            preview=seen,
        )

    def _row(self, object_id: str) -> Quarantined:
        row = (
            Quarantined.objects.select_related("credential__unit").filter(pk=object_id).first()
            if object_id.isdigit()
            else None
        )
        if row is None:
            raise Http404("There is no such statement in quarantine.")
        return row

    def _text(self, request: HttpRequest, row: Quarantined) -> str | None:
        """What was sent, for those allowed; that they looked is noted."""
        if not may_read(request):
            return None
        audit.record(
            actor=acting(request),
            action="quarantine.read",
            target=Party("credential", row.credential_id),
            now=timezone.now(),
            detail={"quarantined": row.pk},
        )
        return quarantine.body_of(row)

    # --- several --------------------------------------------------------------------------------------------------

    @admin.action(description="Try again: preview what would change, then take in")
    def try_again(self, request: HttpRequest, queryset: QuerySet[Quarantined]) -> HttpResponse:
        rows = self._waiting(queryset)
        return self._several(request, rows, MendForm(), seen=self._preview(request, rows, None))

    @admin.action(description="Discard, with a reason")
    def discard_several(self, request: HttpRequest, queryset: QuerySet[Quarantined]) -> HttpResponse:
        return self._reasons(request, self._waiting(queryset), ReasonForm())

    def try_view(self, request: HttpRequest) -> HttpResponse:
        """Several statements mended alike, previewed and taken in."""
        rows = self._chosen(request)
        form = MendForm(request.POST or None)
        if not rows:
            return self._to_list()
        seen: preview.Preview | None = None
        if form.is_valid():
            if "_preview" in request.POST:
                seen = self._preview(request, rows, form)
            else:
                self._requeue(request, rows, form)
                return self._to_list()
        return self._several(request, rows, form, seen=seen)

    def discard_view(self, request: HttpRequest) -> HttpResponse:
        """Several statements discarded for one reason."""
        rows = self._chosen(request)
        form = ReasonForm(request.POST or None)
        if not rows:
            return self._to_list()
        if form.is_valid():
            self._discard(request, rows, form.cleaned_data["reason"])
            return self._to_list()
        return self._reasons(request, rows, form)

    def _chosen(self, request: HttpRequest) -> list[Quarantined]:
        ids = [int(text) for text in request.POST.getlist("row") if text.isdigit()]
        return self._waiting(Quarantined.objects.filter(pk__in=ids[:MOST_AT_ONCE]))

    def _waiting(self, rows: QuerySet[Quarantined]) -> list[Quarantined]:
        waiting = rows.filter(state=Quarantined.State.WAITING).select_related("credential")
        return list(waiting.order_by("received_at", "pk")[:MOST_AT_ONCE])

    # --- doing ----------------------------------------------------------------------------------------------------

    def _preview(
        self, request: HttpRequest, rows: Sequence[Quarantined], form: MendForm | None
    ) -> preview.Preview | None:
        mend = form.mend() if form is not None else quarantine.NO_MEND
        try:
            return preview.preview(rows[: preview.MOST], now=timezone.now(), by=acting(request), mend=mend)
        except preview.Busy:
            self.message_user(
                request, "Somebody is writing about the same people just now. Try again.", messages.WARNING
            )
            return None

    def _requeue(self, request: HttpRequest, rows: Sequence[Quarantined], form: MendForm) -> bool:
        """Whether all were taken in."""
        tried = quarantine.requeue_many(rows, now=timezone.now(), by=acting(request), mend=form.mend())
        settled = sum(1 for one in tried if one.requeued is None)
        taken = sum(1 for one in tried if one.requeued is not None and one.requeued.taken_in)
        if taken:
            self.message_user(request, f"{taken} taken in.", messages.SUCCESS)
        if settled:
            self.message_user(request, f"{settled} had been settled already.", messages.WARNING)
        for one in tried[:20]:
            for fault in one.requeued.faults[:3] if one.requeued is not None else []:
                # The path and the advice only: what it says may be about a person, and messages travel in cookies.
                self.message_user(
                    request,
                    f"#{one.quarantined.pk}: {fault.path} {fault.fault}. {fault.mend}",
                    messages.ERROR,
                )
        return taken + settled == len(tried)

    def _discard(self, request: HttpRequest, rows: Sequence[Quarantined], reason: str) -> None:
        done = 0
        for row in rows:
            try:
                quarantine.discard(row, now=timezone.now(), by=acting(request), reason=reason)
                done += 1
            except quarantine.AlreadySettled:
                self.message_user(request, f"#{row.pk} had been settled already.", messages.WARNING)
        self.message_user(request, f"{done} discarded.")

    # --- showing --------------------------------------------------------------------------------------------------

    def _several(
        self,
        request: HttpRequest,
        rows: Sequence[Quarantined],
        form: MendForm,
        *,
        seen: preview.Preview | None,
    ) -> HttpResponse:
        return self._page(
            request,
            "admin/signals/quarantined/several.html",
            title=f"Try {len(rows)} statements again",
            rows=rows,
            form=form,
            preview=seen,
            previewed=min(len(rows), preview.MOST),
        )

    def _reasons(self, request: HttpRequest, rows: Sequence[Quarantined], form: ReasonForm) -> HttpResponse:
        return self._page(
            request,
            "admin/signals/quarantined/discard.html",
            title=f"Discard {len(rows)} statements",
            rows=rows,
            form=form,
        )

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request, template, {**self.admin_site.each_context(request), "opts": self.opts, **context}
        )

    def _to_list(self) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:signals_quarantined_changelist"))
