"""Webhooks of Git forges: believed only with the secret, counted once, and nothing kept of what was written."""

import hashlib
import hmac
import json
from typing import Any

import pytest
from django.test import Client

from signals.models import Event, Feed, ImportRun, Statement, Verb
from signals.xapi import bodies
from tests.support.sources import NOW, known

pytestmark = pytest.mark.django_db

SECRET = "a secret of some length"
FORGE = "https://git.example.com"


@pytest.fixture(autouse=True)
def feed() -> Feed:
    return Feed.objects.create(source="git_forge", name="forge", secret=SECRET, created_at=NOW)


def commit(sha: str, email: str = "anna@example.com", **more: Any) -> dict[str, Any]:
    return {
        "id": sha,
        "message": "Mend what nobody should read",
        "timestamp": "2026-02-27T10:00:00+01:00",
        "url": f"{FORGE}/team/tool/commit/{sha}",
        "author": {"name": "Anna", "email": email, "username": "anna"},
        **more,
    }


def push(*commits: dict[str, Any]) -> dict[str, Any]:
    return {
        "ref": "refs/heads/main",
        "repository": {"html_url": f"{FORGE}/team/tool"},
        "commits": [*commits],
    }


def call(client: Client, body: Any, delivery: str = "d-1", **headers: str) -> Any:
    raw = json.dumps(body).encode() if not isinstance(body, bytes) else body
    signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()
    signed = {
        "X-GitHub-Event": "push",
        "X-GitHub-Delivery": delivery,
        "X-Hub-Signature-256": f"sha256={signature}",
    }
    return client.post(
        "/sources/hooks/forge", raw, content_type="application/json", headers={**signed, **headers}
    )


def test_it_makes_a_contribution_of_every_commit(client: Client) -> None:
    anna = known()

    answer = call(client, push(commit("c1"), commit("c2")))

    assert (answer.status_code, answer.json()["new"]) == (200, 2)
    assert [(event.learner_id, event.verb) for event in Event.objects.all()] == [
        (anna.pk, Verb.CONTRIBUTED)
    ] * 2


def test_it_takes_a_repeated_delivery_once(client: Client) -> None:
    known()
    call(client, push(commit("c1")))

    answer = call(client, push(commit("c1")))

    assert (answer.status_code, answer.json()) == (200, {"taken_in": "before"})
    assert (Event.objects.count(), ImportRun.objects.count()) == (1, 1)


def test_it_counts_a_commit_once_whatever_the_branches(client: Client) -> None:
    known()
    call(client, push(commit("c1")))

    answer = call(client, push(commit("c1"), commit("c2")), delivery="d-2")

    assert (answer.json()["new"], answer.json()["same"]) == (1, 1)


def test_it_keeps_nothing_of_what_was_written(client: Client) -> None:
    known()
    call(client, push(commit("c1")))

    assert "nobody should read" not in str(bodies.decode(bytes(Statement.objects.get().body)))


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Hub-Signature-256": "sha256=" + "0" * 64},
        {"X-Hub-Signature-256": ""},
        {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "another secret"},
        {"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": "ä"},
    ],
    ids=["another signature", "no signature", "another token", "a token beyond ASCII"],
)
def test_it_believes_nobody_without_the_secret(client: Client, headers: dict[str, str]) -> None:
    assert call(client, push(commit("c1")), **headers).status_code == 401
    assert not ImportRun.objects.exists()


def test_it_answers_an_unknown_feed_like_a_wrong_signature(client: Client, feed: Feed) -> None:
    Feed.objects.update(is_active=False)
    closed = call(client, push(commit("c1")))
    Feed.objects.update(is_active=True, secret="")

    for answer in (closed, call(client, push(commit("c1")))):
        assert (answer.status_code, answer.json()) == (401, {"error": "Not signed with this feed's secret."})


def test_it_reads_what_gitlab_sends(client: Client) -> None:
    known()
    body = {
        "object_kind": "push",
        "ref": "refs/heads/main",
        "project": {"web_url": f"{FORGE}/team/tool"},
        "commits": [commit("c1", author={"name": "Anna", "email": "anna@example.com"})],
    }

    answer = call(
        client,
        body,
        **{"X-Gitlab-Event": "Push Hook", "X-Gitlab-Token": SECRET, "X-Gitlab-Event-UUID": "g-1"},
    )

    assert answer.json()["new"] == 1


def test_it_reads_what_gitea_signs(client: Client) -> None:
    known()
    raw = json.dumps(push(commit("c1"))).encode()
    signature = hmac.new(SECRET.encode(), raw, hashlib.sha256).hexdigest()

    answer = client.post(
        "/sources/hooks/forge",
        raw,
        content_type="application/json",
        headers={"X-Gitea-Event": "push", "X-Gitea-Delivery": "t-1", "X-Gitea-Signature": signature},
    )

    assert answer.json()["new"] == 1


def test_it_counts_a_change_when_it_is_merged_and_not_before(client: Client) -> None:
    change = {
        "html_url": f"{FORGE}/team/tool/pull/7",
        "merged": True,
        "merged_at": "2026-02-27T10:00:00Z",
        "user": {"login": "anna"},
    }
    body = {"action": "closed", "pull_request": change, "repository": {"html_url": f"{FORGE}/team/tool"}}
    call(client, {**body, "action": "opened"}, delivery="d-1")
    call(client, {**body, "pull_request": {**change, "merged": False}}, delivery="d-2")

    answer = call(client, body, delivery="d-3")

    assert answer.json()["new"] == 1
    statement = bodies.decode(bytes(Statement.objects.get().body))
    assert statement["actor"]["account"] == {"homePage": FORGE, "name": "anna"}


def test_it_knows_who_hides_their_address_by_the_forges_own_name(client: Client) -> None:
    body = push(commit("c1", author={"name": "Anna", "email": "123+anna@users.noreply.git.example.com"}))

    call(client, body)

    statement = bodies.decode(bytes(Statement.objects.get().body))
    assert statement["actor"]["account"] == {"homePage": FORGE, "name": "anna"}


def test_it_ignores_what_is_no_contribution(client: Client) -> None:
    answer = call(client, {"action": "created", "repository": {"html_url": FORGE}})

    assert (answer.status_code, answer.json()["new"]) == (200, 0)


def test_it_says_which_part_of_a_delivery_it_does_not_understand(client: Client) -> None:
    known()

    answer = call(client, push({"id": "c0"}, commit("c1")))

    assert (answer.json()["new"], answer.json()["refused"]) == (1, 1)


@pytest.mark.parametrize(
    "body",
    [b"not json", b"[]", b"\xff", b"[" * 100_000],
    ids=["no JSON", "a list", "no UTF-8", "far too deep"],
)
def test_it_refuses_a_body_that_is_no_delivery(client: Client, body: bytes) -> None:
    assert call(client, body).status_code == 400


def test_it_wants_a_delivery_to_have_an_id(client: Client) -> None:
    assert call(client, push(commit("c1")), delivery="").status_code == 400
