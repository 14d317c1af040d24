"""Comparing what HTMX would leave on the page with the page as it is when loaded afresh."""

import re

HTMX = {"HX-Request": "true"}


def without_tokens(html: str) -> str:
    """The HTML without what differs on every load."""
    html = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", html)
    return re.sub(r"\s+", " ", html).strip()


def main_part(page: str) -> str:
    """What the page holds in its main element."""
    found = re.search(r'<main id="main" tabindex="-1">(.*)</main>', page, re.DOTALL)
    assert found is not None
    return without_tokens(re.sub(r"<dialog.*</dialog>", "", found.group(1), flags=re.DOTALL))


def fragment(answer: str) -> str:
    """The part without its out-of-band update of the status."""
    return without_tokens(re.sub(r'<div id="status" hx-swap-oob.*?</div>', "", answer, flags=re.DOTALL))
