"""Icons, and moments in words."""

from datetime import date, datetime
from typing import Any

from django import template
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from coaching import lesson_steps, own_words, wording
from interventions.models import LessonText

register = template.Library()

# Own drawings on a 24 × 24 grid, one stroke wide. Each stands beside text, so all are hidden from screen readers.
ICONS = {
    "alert": "M12 4 21 20H3zM12 10v4M12 17v.5",
    "book": "M12 7c-2-2-5-2-8-2v13c3 0 6 0 8 2 2-2 5-2 8-2V5c-3 0-6 0-8 2zM12 7v13",
    "calendar": "M4 6h16v14H4zM4 10h16M8 3v5M16 3v5",
    "check": "M5 13l4 4L19 7",
    "clock": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 7v5l3 3",
    "cross": "M6 6l12 12M18 6L6 18",
    "down": "M6 9l6 6 6-6",
    "download": "M12 4v11M7 11l5 5 5-5M5 20h14",
    "eye": "M2 12s4-7 10-7 10 7 10 7-4 7-10 7S2 12 2 12zM12 9a3 3 0 1 0 0 6 3 3 0 0 0 0-6z",
    "flag": "M5 21V4M5 5h13l-3 4 3 4H5",
    "hand": "M7 12V6a1.5 1.5 0 0 1 3 0v5M10 11V4.500a1.500 1.500 0 0 1 3 0V11M13 11V6a1.500 1.500 0 0 1 3 0v6"
    "M16 12v-2a1.500 1.500 0 0 1 3 0v4c0 4-3 7-6 7s-5-1-7-5l-2-4a1.500 1.500 0 0 1 3-1l1 2",
    "inbox": "M4 13l3-8h10l3 8v6H4zM4 13h5l1 3h4l1-3h5",
    "info": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5M12 8v.5",
    "layers": "M12 3l9 5-9 5-9-5zM3 12l9 5 9-5M3 16l9 5 9-5",
    "lock": "M6 11h12v9H6zM8 11V8a4 4 0 0 1 8 0v3",
    "message": "M4 5h16v11H9l-5 4z",
    "moon": "M20 14A8 8 0 1 1 10 4a7 7 0 0 0 10 10z",
    "pause": "M9 5v14M15 5v14",
    "person": "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4 21c0-4 4-6 8-6s8 2 8 6M18 3v6M15 6h6",
    "reply": "M9 7l-5 5 5 5M4 12h10c4 0 6 3 6 6",
    "route": "M6 18a2 2 0 1 0 0 .1M18 6a2 2 0 1 0 0 .1M8 18h6a4 4 0 0 0 0-8h-4a4 4 0 0 1 0-4h6",
    "send": "M3 11l18-7-7 18-3-8z",
    "settings": "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
    "shield": "M12 3l8 3v6c0 5-4 8-8 9-4-1-8-4-8-9V6z",
    "snooze": "M7 6h7l-7 8h7M15 13h5l-5 6h5",
    "spark": "M12 3v5M12 16v5M3 12h5M16 12h5M6 6l3 3M15 15l3 3M18 6l-3 3M9 15l-3 3",
    "target": "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8z",
    "user": "M12 4a4 4 0 1 0 0 8 4 4 0 0 0 0-8zM4 21c0-4 4-6 8-6s8 2 8 6",
    "users": "M9 5a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7zM2 20c0-4 3-5.500 7-5.500s7 1.500 7 5.500"
    "M16 5a3.500 3.500 0 0 1 0 7M18 15c2.500.500 4 2 4 5",
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """An inline drawing that says nothing by itself."""
    return format_html(
        '<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"><path d="{}"/></svg>',
        mark_safe(ICONS[name]),
    )


@register.filter
def when(moment: datetime | None) -> str:
    """A moment for people: Mon 24 Nov, 09:00."""
    return wording.day(moment) if moment else ""


@register.filter
def day(moment: date | None) -> str:
    """A day for people, in the language that is active: 24 November 2026."""
    return wording.date_in_words(moment) if moment else ""


@register.simple_tag
def say(text: str, **values: object) -> str:
    """These words in the language of whoever reads their own page."""
    return own_words.say(text, **values)


@register.filter
def paragraphs(text: str) -> list[tuple[str, list[str]]]:
    """Plain text as blocks: ("p", [text]), ("ul", lines) or ("ol", lines), for a template to mark up."""
    blocks: list[tuple[str, list[str]]] = []
    for block in text.strip().split("\n\n"):
        for line in filter(None, (line.strip() for line in block.splitlines())):
            if line.startswith("- "):
                kind, line = "ul", line[2:]
            else:
                kind = "p"
            if kind == "ul" and blocks and blocks[-1][0] == "ul":
                blocks[-1][1].append(line)
            else:
                blocks.append((kind, [line]))
    return blocks


@register.simple_tag
def lesson_as_seen(text: LessonText) -> dict[str, Any]:
    """A lesson as its page has it once every question is answered right: for a preview."""
    page = lesson_steps.page(None, text, "", is_open=True)
    return page | {"questions": lesson_steps.questions(text, [one["answer"] for one in text.questions])}
