"""The catalogue of lessons: who answers for each, its texts in versions, how learners see them, and imports."""

from datetime import timedelta
from difflib import SequenceMatcher
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_sameorigin

from interventions import authoring, catalogue
from interventions.lesson_expiry import AHEAD_DAYS
from interventions.lesson_forms import LessonForm, TextForm
from interventions.models import Lesson, LessonPlace, LessonText
from interventions.views.lesson_import_admin import ImportPages
from learners.access import asked_by

CHANGE = "admin:interventions_lesson_change"
TEXT = "admin:interventions_lesson_text"


class StateFilter(admin.SimpleListFilter):
    title = "state"
    parameter_name = "stands"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("use", "In use"),
            ("draft", "Drafts"),
            ("soon", f"Expires within {AHEAD_DAYS} days"),
            ("expired", "Expired"),
            ("retired", "Retired"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lesson]) -> QuerySet[Lesson]:
        today = timezone.now().date()
        wanted = {
            "use": Q(is_active=True, retired_at=None),
            "draft": Q(is_active=False, retired_at=None),
            "soon": Q(
                is_active=True, expires_on__gt=today, expires_on__lte=today + timedelta(days=AHEAD_DAYS)
            ),
            "expired": Q(is_active=True, expires_on__lte=today),
            "retired": Q(retired_at__isnull=False),
        }
        return queryset.filter(wanted.get(self.value() or "", Q()))


@admin.register(Lesson)
class LessonAdmin(ImportPages, admin.ModelAdmin):
    list_display = ("key", "title", "stands", "to_mend", "owner_name", "expires_on")
    list_filter = (StateFilter, "origin", "competency")
    list_select_related = ("owner",)
    search_fields = ("key", "texts__title")
    change_list_template = "admin/interventions/lesson/list.html"
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lesson]:
        return super().get_queryset(request).prefetch_related("texts")

    def has_delete_permission(self, request: HttpRequest, obj: Lesson | None = None) -> bool:
        return False  # what somebody was shown is kept; take it out of use instead

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        name = "interventions_lesson_"
        own = [
            path("<int:lesson_id>/preview/", view(self.preview_view), name=name + "preview"),
            path("<int:lesson_id>/text/<slug:language>/", view(self.text_view), name=name + "text"),
            path("<int:lesson_id>/compare/<slug:language>/", view(self.compare_view), name=name + "compare"),
            path("<int:lesson_id>/state/", view(self.state_view), name=name + "state"),
            path(
                "texts/<int:text_id>/page/",
                view(xframe_options_sameorigin(self.page_view)),
                name=name + "page",
            ),
        ]
        return [*self.import_urls(), *own, *super().get_urls()]

    @admin.display(description="title")
    def title(self, lesson: Lesson) -> str:
        shown = [text for text in lesson.texts.all() if text.is_in_use or text.is_draft]
        shown.sort(
            key=lambda text: (text.language != catalogue.DEFAULT_LANGUAGE, text.is_draft, text.language)
        )
        return shown[0].title if shown else "–"

    @admin.display(description="state")
    def stands(self, lesson: Lesson) -> str:
        return lesson.state() + (" (expired)" if lesson.has_expired(timezone.now().date()) else "")

    @admin.display(description="to mend")
    def to_mend(self, lesson: Lesson) -> str:
        return "; ".join(authoring.flags(lesson, today=timezone.now().date(), ahead_days=AHEAD_DAYS)) or "–"

    @admin.display(description="owner")
    def owner_name(self, lesson: Lesson) -> str:
        if lesson.origin == Lesson.Origin.SHIPPED:
            return "Rekindle (shipped)"
        return lesson.owner.get_short_name() if lesson.owner else "nobody"

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """A new lesson, as a draft; then its text."""
        if not self.has_add_permission(request):
            raise Http404
        form = LessonForm(request.POST or None, today=timezone.now().date())
        if request.method == "POST" and form.is_valid():
            form.instance.is_active = False
            lesson = form.save()
            self.message_user(request, "Kept as a draft. Now write what it says.")
            return HttpResponseRedirect(reverse(TEXT, args=[lesson.pk, settings.LANGUAGES[0][0]]))
        return self._page(request, "edit.html", title="New lesson", form=form, lesson=None)

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """The facts about a lesson, its texts in each language, and what can be done with it."""
        lesson, now = self._lesson(request, object_id), timezone.now()
        form = LessonForm(request.POST or None, instance=lesson, today=now.date())
        if request.method == "POST" and form.is_valid():
            form.save()
            self.message_user(request, f"{lesson.key} is kept.")
            return HttpResponseRedirect(reverse(CHANGE, args=[lesson.pk]))
        fresh = self._lesson(request, object_id)
        return self._page(
            request,
            "edit.html",
            title=fresh.key,
            form=form,
            lesson=fresh,
            languages=authoring.languages(fresh),
            flags=authoring.flags(fresh, today=now.date(), ahead_days=AHEAD_DAYS),
            missing=authoring.unready(fresh, today=now.date()),
            has_drafts=any(text.is_draft for text in fresh.texts.all()),
            place=LessonPlace.objects.filter(pk=fresh.pk).first(),
        )

    def text_view(self, request: HttpRequest, lesson_id: int, language: str) -> HttpResponse:
        """What the lesson says in one language: saved as a draft, shown as learners will see it."""
        lesson = self._lesson(request, str(lesson_id))
        spoken = next((one for one in authoring.languages(lesson) if one.language == language), None)
        if spoken is None:
            raise Http404("There is no such language here.")
        if request.method == "POST" and "discard" in request.POST and spoken.draft is not None:
            authoring.discard(text_id=spoken.draft.pk)
            self.message_user(request, "The draft is thrown away.")
            return HttpResponseRedirect(reverse(CHANGE, args=[lesson.pk]))
        base = spoken.draft or spoken.in_use
        form = TextForm(request.POST or None, content=authoring.content_of(base) if base else None)
        if request.method == "POST" and form.is_valid():
            kept = authoring.draft(
                lesson=lesson,
                language=language,
                content=form.content(),
                by=asked_by(request),
                now=timezone.now(),
            )
            said = (
                "The draft is kept. Learners see it once it is published."
                if kept
                else "That is what is in use."
            )
            self.message_user(request, said)
            return HttpResponseRedirect(reverse("admin:interventions_lesson_preview", args=[lesson.pk]))
        title = f"{lesson.key}: {spoken.name}"
        return self._page(request, "text.html", title=title, form=form, lesson=lesson, spoken=spoken)

    def preview_view(self, request: HttpRequest, lesson_id: int) -> HttpResponse:
        """Each language as a learner sees it on a phone: the draft where there is one."""
        lesson = self._lesson(request, str(lesson_id))
        shown = [
            (spoken, spoken.draft or spoken.in_use)
            for spoken in authoring.languages(lesson)
            if not spoken.is_missing
        ]
        return self._page(
            request,
            "preview.html",
            title=f"Preview of {lesson.key}",
            lesson=lesson,
            texts=[(spoken, text, len(text.body.split())) for spoken, text in shown if text is not None],
            missing=[spoken for spoken in authoring.languages(lesson) if spoken.is_missing],
            unready=authoring.unready(lesson, today=timezone.now().date()),
            has_drafts=any(spoken.draft for spoken, _ in shown),
        )

    def page_view(self, request: HttpRequest, text_id: int) -> HttpResponse:
        """One version as the learner's page shows it, every step below the other."""
        text = get_object_or_404(LessonText.objects.select_related("lesson__competency"), pk=text_id)
        if not self.has_view_permission(request, text.lesson):
            raise Http404
        return TemplateResponse(request, "lesson_preview.html", {"text": text, "lesson": text.lesson})

    def compare_view(self, request: HttpRequest, lesson_id: int, language: str) -> HttpResponse:
        """Two versions of a text beside each other, with what differs marked."""
        lesson = self._lesson(request, str(lesson_id))
        versions = [text for text in lesson.texts.all() if text.language == language]
        if not versions:
            raise Http404("There is nothing in this language.")
        newest, before = versions[0], versions[1] if len(versions) > 1 else versions[0]
        one = _version(versions, request.GET.get("from", ""), before)
        other = _version(versions, request.GET.get("to", ""), newest)
        return self._page(
            request,
            "compare.html",
            title=f"{lesson.key} ({language}): version {one.version} and {other.version}",
            lesson=lesson,
            language=language,
            versions=versions,
            one=one,
            other=other,
            rows=[
                (name, differences(before, after))
                for name, before, after in zip(PARTS, _parts(one), _parts(other), strict=True)
                if before != after
            ],
        )

    def state_view(self, request: HttpRequest, lesson_id: int) -> HttpResponse:
        """Publishes, retires or brings back, by POST; retiring is asked about first."""
        lesson, by, now = self._lesson(request, str(lesson_id)), asked_by(request), timezone.now()
        wish = request.POST.get("do", "")
        if request.method != "POST":
            rules = lesson.rules.filter(state="live").order_by("title")
            return self._page(
                request, "retire.html", title=f"Retire {lesson.key}", lesson=lesson, rules=rules
            )
        if wish == "publish":
            try:
                published = authoring.publish(lesson=lesson, by=by, now=now)
            except authoring.NotReady as refused:
                self.message_user(request, str(refused), messages.ERROR)
            else:
                names = ", ".join(f"{text.language} version {text.version}" for text in published)
                self.message_user(request, f"{lesson.key} is in use" + (f": {names}." if names else "."))
        elif wish == "retire":
            authoring.retire(lesson=lesson, by=by, now=now)
            self.message_user(request, f"{lesson.key} is retired. Who is in the middle of it can finish.")
        elif wish == "bring_back":
            authoring.bring_back(lesson=lesson, by=by, now=now)
            self.message_user(request, f"{lesson.key} is a draft again. Look at it, then publish it.")
        return HttpResponseRedirect(reverse(CHANGE, args=[lesson.pk]))

    def _lesson(self, request: HttpRequest, object_id: str) -> Lesson:
        lesson = self.get_object(request, object_id)
        if lesson is None or not self.has_change_permission(request, lesson):
            raise Http404("There is no such lesson.")
        return lesson

    def _page(self, request: HttpRequest, template: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"admin/interventions/lesson/{template}",
            {**self.admin_site.each_context(request), "opts": self.opts, **context},
        )


PARTS = ("Format", "Title", "Address", "Text", "Questions")


def _version(versions: list[LessonText], number: str, otherwise: LessonText) -> LessonText:
    return next((text for text in versions if str(text.version) == number), otherwise)


def _parts(text: LessonText) -> tuple[str, ...]:
    questions = "\n\n".join(
        "\n".join(
            [
                question["text"],
                *(
                    f"{'✓' if place == question['answer'] else '–'} {c}"
                    for place, c in enumerate(question["choices"])
                ),
                question["because"],
            ]
        )
        for question in text.questions
    )
    return text.get_format_display(), text.title, text.address, text.body, questions


def differences(before: str, after: str) -> list[tuple[str, str]]:
    """The words of both texts in order: ("same" | "gone" | "new", words)."""
    one, other = before.split(" "), after.split(" ")
    found = []
    for kind, a, b, c, d in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(("same", " ".join(one[a:b])))
            continue
        found += [
            (sign, " ".join(words)) for sign, words in (("gone", one[a:b]), ("new", other[c:d])) if words
        ]
    return found
