"""Every template is used, and every template that code names exists."""

import re

from django.template.loader import get_template

from config.env import BASE_DIR
from tests.guards.project import APPS, source_files

# Used by Django itself, by name.
FOUND_BY_DJANGO = {"400.html", "403.html", "403_csrf.html", "404.html", "500.html"}


def template_directories() -> list[str]:
    return [
        "templates",
        *(f"{label}/templates" for label in APPS if (BASE_DIR / label / "templates").is_dir()),
    ]


def all_templates() -> set[str]:
    return {
        path.relative_to(BASE_DIR / directory).as_posix()
        for directory in template_directories()
        for path in (BASE_DIR / directory).rglob("*")
        if path.is_file() and path.suffix in (".html", ".txt")
    }


def named_templates() -> set[str]:
    """Every string that looks like a template's name; `page.html#part` names the page."""
    texts = [(BASE_DIR / path).read_text() for path in source_files(*APPS, "config")]
    for directory in template_directories():
        texts += [path.read_text() for path in (BASE_DIR / directory).rglob("*") if path.is_file()]
    quoted = re.compile(r"""["']([\w./-]+\.(?:html|txt))(?:#[\w-]+)?["']""")
    return {name for text in texts for name in quoted.findall(text)}


def test_it_uses_every_template() -> None:
    unused = all_templates() - named_templates() - FOUND_BY_DJANGO

    # Templates below admin/ replace those of Django's admin, which knows them by name.
    assert not {name for name in unused if not name.startswith("admin/")}


def test_it_can_load_every_template() -> None:
    for name in sorted(all_templates()):
        get_template(name)
