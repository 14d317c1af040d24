"""Feeds, imports and contracts in the admin: set up, upload with a preview, look up where a fact came from."""

from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from consent import audit
from consent.actors import Party
from consent.read_only import ReadOnly
from signals.models import ContractBreach, DataContract, Feed, ImportRun, Lineage
from signals.sources import SOURCES, FileRefused, Report, held_files
from signals.sources.base import PullFailed
from signals.sources.files import bring_file
from signals.sources.importing import credential_of
from signals.sources.moodle import check_address, check_settings
from signals.sources.proofs import public_keys
from signals.views.choices import offer

LARGEST_UPLOAD = 10 * 1024 * 1024  # larger ones by the command
FILES = "upload"  # between preview and import


def _labels(**wanted: bool) -> list[tuple[str, str]]:
    return [
        (source.name, source.label)
        for source in SOURCES.values()
        if all(getattr(source, name) is value for name, value in wanted.items())
    ]


class FeedForm(forms.ModelForm):
    source = forms.ChoiceField(choices=())
    secret = forms.CharField(
        required=False,
        strip=True,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "off", "size": 60}),
        help_text="The token we show (Moodle), or the secret webhooks are signed with. Empty: as it is.",
    )
    settings = forms.JSONField(
        required=False, initial=dict, help_text="What else it needs; see docs/sources.md."
    )

    class Meta:
        model = Feed
        fields = ("source", "name", "base_url", "secret", "settings", "is_active")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(
            self, "source", [(name, SOURCES[name].label) for name in ("git_forge", "moodle", "open_badges")]
        )

    def clean_settings(self) -> dict[str, Any]:
        found = self.cleaned_data["settings"] or {}
        if not isinstance(found, dict):
            raise forms.ValidationError("Write an object, such as {}.")
        return found

    def clean_secret(self) -> str:
        return self.cleaned_data["secret"] or (self.instance.secret if self.instance.pk else "")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        source = data.get("source")
        try:
            if source == "moodle":
                check_address(data.get("base_url") or "")
                check_settings(data.get("settings") or {})
            if source == "open_badges":
                public_keys(data.get("settings") or {})
        except PullFailed as fault:
            self.add_error("settings" if "setting" in str(fault) else "base_url", str(fault))
        except ValueError as fault:
            self.add_error("settings", f"These keys cannot be read: {fault}")
        if source == "git_forge" and len(data.get("secret") or "") < 16:
            self.add_error("secret", "A webhook needs a secret of 16 characters or more.")
        return data


@admin.register(Feed)
class FeedAdmin(admin.ModelAdmin):
    form = FeedForm
    list_display = ("name", "source", "base_url", "is_active")
    list_filter = ("source", "is_active")
    readonly_fields = ("address_of_hook", "watermark", "created_at")
    fields = (*FeedForm.Meta.fields, *readonly_fields)

    @admin.display(description="Address for webhooks")
    def address_of_hook(self, feed: Feed) -> str:
        if feed.source != "git_forge" or not feed.pk:
            return "–"
        return f"{settings.PUBLIC_URL}{reverse('source_hook', args=[feed.name])}"

    def save_model(self, request: HttpRequest, obj: Feed, form: Any, change: bool) -> None:
        if not change:
            obj.created_at = timezone.now()
        super().save_model(request, obj, form, change)


class UploadForm(forms.Form):
    """A file, and how to read it. The second time the file is known by its ticket."""

    source = forms.ChoiceField()
    file = forms.FileField(
        required=False, help_text="At most 10 MB; larger ones with manage.py import_source."
    )
    dates = forms.ChoiceField(
        label="Dates with slashes",
        required=False,
        choices=[
            ("", "there are none"),
            ("mdy", "month/day/year"),
            ("dmy", "day/month/year"),
            ("ymd", "year/month/day"),
        ],
        help_text="For meetings.",
    )
    zone = forms.CharField(
        label="Time zone",
        required=False,
        help_text="For meetings: as in Europe/Berlin; else the organisation's.",
    )
    course = forms.CharField(
        required=False, help_text="For meetings: the IRI of the course they are a class of."
    )
    meeting = forms.CharField(required=False, help_text="For meetings: their name, if the file lacks it.")
    ticket = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(self, "source", _labels(takes_files=True))

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file is not None and file.size > LARGEST_UPLOAD:
            raise forms.ValidationError("The file is larger than 10 MB; use manage.py import_source.")
        return file

    def clean_zone(self) -> str:
        zone: str = self.cleaned_data["zone"].strip()
        if zone and zone not in available_timezones():
            raise forms.ValidationError("Write a time zone such as Europe/Berlin.")
        return zone

    def options(self) -> dict[str, str]:
        known = SOURCES[self.cleaned_data["source"]].options
        return {name: self.cleaned_data[name] for name in known if self.cleaned_data.get(name)}


@admin.register(ImportRun)
class ImportRunAdmin(ReadOnly, admin.ModelAdmin):
    """What came when, and what became of it. Above the list: a file of one's own."""

    change_list_template = "admin/signals/importrun/list.html"
    list_display = (
        "started_at",
        "source",
        "feed",
        "rows",
        "new",
        "same",
        "changed",
        "waiting",
        "refused",
        "quarantined",
        "state",
    )
    list_filter = ("source", "feed")
    date_hierarchy = "started_at"
    list_select_related = ("feed",)
    fields = (
        "source",
        "feed",
        "file_name",
        "delivery",
        "by",
        "started_at",
        "finished_at",
        "rows",
        "new",
        "same",
        "changed",
        "waiting",
        "refused",
        "quarantined",
        "missing_columns",
        "what_to_mend",
        "facts_link",
    )
    readonly_fields = ("what_to_mend", "facts_link")

    @admin.display(description="what to mend")
    def what_to_mend(self, run: ImportRun) -> SafeString | str:
        rows = ((line, fault, mend) for line, fault, mend in run.problems)
        return format_html_join("", "<div>line {}: {}. {}</div>", rows) if run.problems else "–"

    @admin.display(description="state")
    def state(self, run: ImportRun) -> str:
        if run.finished_at is None:
            return "interrupted, or running"
        return "refused" if run.missing_columns else "done"

    @admin.display(description="facts")
    def facts_link(self, run: ImportRun) -> SafeString:
        address = reverse("admin:signals_lineage_changelist")
        return format_html('<a href="{}?run__id__exact={}">Its facts, row by row</a>', address, run.pk)

    def get_urls(self) -> list[URLPattern]:
        own = path("upload/", self.admin_site.admin_view(self.upload_view), name="signals_importrun_upload")
        return [own, *super().get_urls()]

    def upload_view(self, request: HttpRequest) -> HttpResponse:
        """A form, then a preview, then the import; the file waits between them, encrypted, for a quarter of an hour."""
        form = UploadForm(request.POST or None, request.FILES or None)
        report: Report | None = None
        held: tuple[str, bytes] | None = None
        if request.method == "POST" and form.is_valid():
            held = _held(request, form)
            if held is None:
                form.add_error("file", "Choose a file (one you chose before is kept for 15 minutes).")
            else:
                is_import = "import" in request.POST
                try:
                    report = self._bring(request, form, held, dry_run=not is_import)
                except FileRefused as refused:
                    form.add_error("file", str(refused))
                if report is not None and report.run is not None:
                    _let_go(request, form.cleaned_data["ticket"])
                    self.message_user(request, report.lines()[-1])
                    return HttpResponseRedirect(
                        reverse("admin:signals_importrun_change", args=[report.run.pk])
                    )
                if report is not None:
                    form = _again(form, _hold(request, held))
        return TemplateResponse(
            request,
            "admin/signals/importrun/upload.html",
            {
                **self.admin_site.each_context(request),
                "title": "Import a file",
                "opts": self.model._meta,
                "form": form,
                "lines": report.lines() if report is not None else None,
                "kept": held[0] if report is not None and held is not None else "",
                "brings_anything": report is not None
                and bool(report.new or report.changed or report.quarantined),
            },
            status=422 if form.errors else 200,
        )

    def _bring(
        self, request: HttpRequest, form: UploadForm, held: tuple[str, bytes], *, dry_run: bool
    ) -> Report:
        source = SOURCES[form.cleaned_data["source"]]
        by = UUID(str(request.user.pk))
        report = bring_file(
            source,
            held[1],
            file_name=held[0],
            options=form.options(),
            clock=timezone.now,
            by=by,
            dry_run=dry_run,
        )
        if report.run is not None:
            audit.record(
                actor=Party("user", by),
                action="source.imported",
                target=Party("credential", credential_of(source.name, now=timezone.now()).pk),
                now=timezone.now(),
                detail={"run": report.run.pk},
            )
        return report


def _hold(request: HttpRequest, held: tuple[str, bytes]) -> str:
    return held_files.hold(FILES, request.user.pk, name=held[0], content=held[1])


def _held(request: HttpRequest, form: UploadForm) -> tuple[str, bytes] | None:
    file = form.cleaned_data["file"]
    if file is not None:
        return file.name, file.read()
    return held_files.held(FILES, request.user.pk, form.cleaned_data["ticket"])


def _let_go(request: HttpRequest, ticket: str) -> None:
    held_files.let_go(FILES, request.user.pk, ticket)


def _again(form: UploadForm, ticket: str) -> UploadForm:
    kept = {
        name: form.cleaned_data.get(name, "") for name in ("source", "dates", "zone", "course", "meeting")
    }
    return UploadForm(initial={**kept, "ticket": ticket})


@admin.register(Lineage)
class LineageAdmin(ReadOnly, admin.ModelAdmin):
    """Where a fact comes from: search by the statement's id, which its event has too."""

    list_display = ("statement_id", "source", "run", "line", "revision", "replaced_at")
    list_filter = ("source", ("run", admin.RelatedOnlyFieldListFilter))
    search_fields = ("statement_id__exact",)
    search_help_text = "A statement's whole id."
    list_select_related = ("run",)
    show_full_result_count = False
    fields = ("statement_id", "source", "run", "line", "revision", "replaced_at")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        if not search_term:
            return queryset, False
        try:
            return queryset.filter(pk=UUID(search_term.strip())), False
        except ValueError:
            return queryset.none(), False


class DataContractForm(forms.ModelForm):
    source = forms.ChoiceField(choices=(), required=False)

    class Meta:
        model = DataContract
        fields = (
            "name",
            "owner",
            "source",
            "feed",
            "credential",
            "columns",
            "most_refused",
            "fresh_hours",
            "period_days",
            "least_rows",
            "most_rows",
            "starts_at",
            "is_active",
        )
        help_texts = {
            "owner": "Who answers for this data, and how to reach them.",
            "feed": "One place of the source; empty: all of them.",
            "credential": "For what comes through the record store; then without a source.",
            "columns": "Columns every file must have beside the source's own, one a line.",
            "most_refused": "Share of rows that may be refused or quarantined, 0 to 1.",
            "fresh_hours": "Something must come at least this often. Empty: whenever.",
            "least_rows": "New or changed rows in a period. Empty: nothing agreed.",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer(self, "source", [("", "the record store"), *_labels()])

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        if bool(data.get("source")) == bool(data.get("credential")):
            self.add_error("source", "Choose either a source or a credential of the record store.")
        feed = data.get("feed")
        if feed is not None and feed.source != data.get("source"):
            self.add_error("feed", "This feed belongs to another source.")
        return data


@admin.register(DataContract)
class DataContractAdmin(admin.ModelAdmin):
    form = DataContractForm
    list_display = (
        "name",
        "source",
        "feed",
        "credential",
        "fresh_hours",
        "least_rows",
        "most_rows",
        "is_active",
        "is_kept",
    )
    list_filter = ("source", "is_active")
    list_select_related = ("feed", "credential")
    fields = DataContractForm.Meta.fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[DataContract]:
        return super().get_queryset(request).prefetch_related("breaches")

    @admin.display(boolean=True, description="as agreed")
    def is_kept(self, contract: DataContract) -> bool:
        return all(breach.closed_at is not None for breach in contract.breaches.all())


class _IsOpen(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("open", "Not as agreed now"), ("closed", "Over")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in ("open", "closed"):
            return queryset.filter(closed_at__isnull=self.value() == "open")
        return queryset


@admin.register(ContractBreach)
class ContractBreachAdmin(ReadOnly, admin.ModelAdmin):
    list_display = ("sentence", "kind", "opened_at", "closed_at", "alerted_at")
    list_filter = (_IsOpen, "kind", "contract")
    fields = ("contract", "kind", "sentence", "opened_at", "closed_at", "alerted_at")
