"""Importing lessons in the admin: first what would happen, then the import."""

from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from interventions.authoring import MOST_MINUTES
from interventions.lesson_forms import languages
from interventions.lesson_import import bringing, files
from interventions.lesson_import.cartridge import LARGEST_CARTRIDGE
from interventions.lesson_import.lms import SYSTEMS
from interventions.lesson_import.proposed import NotReadable
from interventions.models import Lesson
from learners.access import asked_by
from learners.models import Competency, User
from signals.models import Feed
from signals.sources import held_files

FILES = "lessons"
_LIST = "admin:interventions_lesson_changelist"


class _Common(forms.Form):
    """What a file or a learning system does not say itself."""

    language = forms.ChoiceField(choices=languages)
    competency = forms.ModelChoiceField(
        Competency.objects.order_by("key"),
        required=False,
        to_field_name="key",
        help_text="Which all of it teaches.",
    )
    minutes = forms.IntegerField(required=False, min_value=1, max_value=MOST_MINUTES)

    def said(self) -> dict[str, Any]:
        competency = self.cleaned_data["competency"]
        return {
            "language": self.cleaned_data["language"],
            "competency": competency.key if competency else None,
            "minutes": self.cleaned_data["minutes"],
        }


class FileForm(_Common):
    file = forms.FileField(
        required=False, help_text="A CSV file (docs/catalogue.md), or a Common Cartridge (.imscc)."
    )
    ticket = forms.CharField(required=False, widget=forms.HiddenInput)
    field_order = ("file", "language", "competency", "minutes", "ticket")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"].help_text = "Of a cartridge. In a CSV file each row says these three itself."

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file is not None and file.size > LARGEST_CARTRIDGE:
            raise forms.ValidationError(f"The file is larger than {LARGEST_CARTRIDGE >> 20} MiB.")
        return file


class SystemForm(_Common):
    feed = forms.ModelChoiceField(
        Feed.objects.filter(source__in=SYSTEMS, is_active=True).order_by("name"),
        help_text="Set up under Feeds, with the site's address and a token.",
    )
    course = forms.IntegerField(
        min_value=1, label="Course", help_text="Its number there: course/view.php?id=…"
    )
    field_order = ("feed", "course", "language", "competency", "minutes")


class ImportPages(admin.ModelAdmin):
    """The two pages of importing, for the admin of lessons."""

    def import_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("import/", view(self.import_view), name="interventions_lesson_import"),
            path("import-lms/", view(self.import_lms_view), name="interventions_lesson_import_lms"),
        ]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """A file, then what would become of it, then the import; it waits in between, encrypted, for 15 minutes."""
        form = FileForm(request.POST or None, request.FILES or None)
        report, name, whole = None, "", True
        if self._asked(request, form):
            held = _held(request, form)
            if held is None:
                form.add_error("file", "Choose a file (one you chose before is kept for 15 minutes).")
            else:
                name, content = held
                try:
                    origin, rows = files.read(name, content, **form.said())
                    # A table can be mended; what a system exported comes as it is, without what is no lesson.
                    whole = origin == Lesson.Origin.CSV
                    report = self._bring(request, rows, origin=origin, whole=whole)
                except NotReadable as fault:
                    form.add_error("file", str(fault))
                if report is not None and report.is_done:
                    held_files.let_go(FILES, request.user.pk, form.cleaned_data["ticket"])
                    return self._done(request, report)
                if report is not None:
                    form = FileForm(initial={**form.said(), "ticket": _hold(request, held)})
        return self._show(request, "Import lessons from a file", form, report, kept=name, whole=whole)

    def import_lms_view(self, request: HttpRequest) -> HttpResponse:
        """A course of a learning system: what would come, then the import, which asks the system again."""
        form = SystemForm(request.POST or None)
        report = None
        if self._asked(request, form):
            feed = form.cleaned_data["feed"]
            system = SYSTEMS[feed.source]
            try:
                rows = system.read(feed, form.cleaned_data["course"], **form.said())
                report = self._bring(request, rows, origin=system.origin, whole=False)
            except NotReadable as fault:
                form.add_error("feed", str(fault))
            if report is not None and report.is_done:
                return self._done(request, report)
        return self._show(
            request, "Import lessons from a learning system", form, report, kept="", whole=False
        )

    def _asked(self, request: HttpRequest, form: forms.Form) -> bool:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return request.method == "POST" and form.is_valid()

    def _bring(
        self, request: HttpRequest, rows: Any, *, origin: Lesson.Origin, whole: bool
    ) -> bringing.Report:
        by = asked_by(request)
        return bringing.bring_in(
            rows,
            origin=origin,
            owner=User.objects.filter(pk=by).first(),
            by=by,
            now=timezone.now(),
            dry_run="import" not in request.POST,
            whole=whole,
        )

    def _done(self, request: HttpRequest, report: bringing.Report) -> HttpResponse:
        self.message_user(request, f"{report.summary()} Look at the drafts, then publish them.")
        return HttpResponseRedirect(f"{reverse(_LIST)}?stands=draft")

    def _show(
        self,
        request: HttpRequest,
        title: str,
        form: forms.Form,
        report: bringing.Report | None,
        *,
        kept: str,
        whole: bool,
    ) -> HttpResponse:
        groups = []
        if report is not None:
            groups = [
                (heading, bringing.described(report.of(what)))
                for heading, what in (("New", "added"), ("Changed", "changed"), ("Unchanged", "unchanged"))
            ]
        return TemplateResponse(
            request,
            "admin/interventions/lesson/import.html",
            {
                **self.admin_site.each_context(request),
                "opts": self.opts,
                "title": title,
                "form": form,
                "report": report,
                "groups": groups,
                "kept": kept,
                "may_import": report is not None
                and report.brings_anything
                and not (whole and report.refused),
                "whole": whole,
            },
            status=422 if form.errors else 200,
        )


def _hold(request: HttpRequest, held: tuple[str, bytes]) -> str:
    return held_files.hold(FILES, request.user.pk, name=held[0], content=held[1])


def _held(request: HttpRequest, form: FileForm) -> tuple[str, bytes] | None:
    file = form.cleaned_data["file"]
    if file is not None:
        return file.name, file.read()
    return held_files.held(FILES, request.user.pk, form.cleaned_data["ticket"])
