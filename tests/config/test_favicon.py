"""The drawing on the browser's tab."""

from django.contrib.staticfiles import finders
from django.test import Client


def test_it_leads_to_the_drawing_that_there_is(client: Client) -> None:
    answer = client.get("/favicon.ico")

    assert answer.status_code == 302
    assert finders.find(answer.headers["Location"].removeprefix("/static/"))
