"""The catalogue of lessons, with previews."""

from django.contrib import admin
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from interventions.forms import LessonTextForm
from interventions.models import Lesson, LessonText


class LessonTextInline(admin.StackedInline):
    model = LessonText
    form = LessonTextForm
    extra = 0


@admin.register(Lesson)
class LessonAdmin(admin.ModelAdmin):
    list_display = ("key", "competency", "minutes", "languages", "is_active", "preview_link")
    list_filter = ("is_active",)
    list_select_related = ("competency",)
    search_fields = ("key", "texts__title")
    inlines = (LessonTextInline,)
    readonly_fields = ("preview_link",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Lesson]:
        return super().get_queryset(request).prefetch_related("texts")

    def get_urls(self) -> list[URLPattern]:
        own = path(
            "<int:lesson_id>/preview/",
            self.admin_site.admin_view(self.preview_view),
            name="interventions_lesson_preview",
        )
        return [own, *super().get_urls()]

    @admin.display(description="languages")
    def languages(self, lesson: Lesson) -> str:
        return ", ".join(sorted(text.language for text in lesson.texts.all())) or "none"

    @admin.display(description="preview")
    def preview_link(self, lesson: Lesson) -> SafeString | str:
        if lesson.pk is None:
            return "After the first save."
        return format_html(
            '<a href="{}">Read as learners do</a>',
            reverse("admin:interventions_lesson_preview", args=[lesson.pk]),
        )

    def preview_view(self, request: HttpRequest, lesson_id: int) -> HttpResponse:
        """The saved lesson in every language, with its answers."""
        lesson = self.get_object(request, str(lesson_id))
        if lesson is None:
            raise Http404("There is no such lesson.")
        texts = [
            (
                text,
                len(text.body.split()),
                [(question, list(enumerate(question["choices"]))) for question in text.questions],
            )
            for text in lesson.texts.all()
        ]
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": f"Preview of {lesson.key}",
            "lesson": lesson,
            "texts": texts,
        }
        return TemplateResponse(request, "admin/interventions/lesson/preview.html", context)
