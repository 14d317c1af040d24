"""How soon after a withdrawal nothing goes out and nobody is shown any more, on pages that are open.

    DATABASE_URL=postgres://…/bench REDIS_URL=… python -m tests.bench.withdrawal [--people 100] [--at-once 2]

Starts the web server, a worker with its beat and a mail server. Each person has a mail that comes due just after they
withdraw, a card on their page and in the card of an LMS, and is shown to their manager and their coach. Their pages are
open: each asks for its word twice a second, at a moment of its own, and reads itself anew when that changes, as the
script of the pages does. The person takes three consents back by the page's own form, one after the other. Measured
from each POST until its open pages show nothing of it; the first read after its answer must be empty at once. At the
end the mails of the others must have gone out and none of theirs. Use a database of its own: it fills it.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from tests.bench import sink
from tests.bench.conformance import free_port

LISTEN_S = 0.5  # as static/rekindle.js
GIVE_UP_S = 30.0
CSRF = "a" * 32


class Page(NamedTuple):
    """An open page: how it is read, and what of the person stands on it."""

    path: str
    headers: dict[str, str]
    about: str


class Person(NamedTuple):
    pages: dict[str, list[Page]]  # by the consent whose withdrawal empties them
    cookies: str
    address: str
    learner_id: UUID


def main() -> int:
    options = _options()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as directory:
        mails, started = Path(directory) / "mails", []
        mail_port, stop = context.Queue(), context.Event()
        server = context.Process(target=sink.serve, args=(mails, mail_port, stop))
        server.start()
        os.environ["EMAIL_URL"] = f"smtp://127.0.0.1:{mail_port.get(timeout=30)}"
        port = free_port()
        try:
            people, others = _people(options.people)
            started = _programs(port, directory)
            _wait_for(port)
            with ThreadPoolExecutor(options.at_once) as pool:
                measured = [
                    one for found in pool.map(lambda one: _withdraw(port, one), people) for one in found
                ]
            _let_go(others)
            # Theirs were due before those of the others: when these are here, every mail has had its chance.
            _until(lambda: len({one.address for one in sink.taken(mails)} & others) == len(others))
        finally:
            for one in started:
                one.terminate()
            for one in started:
                one.wait(20)
            stop.set()
            server.join(10)
        sent = {one.address for one in sink.taken(mails)}
    emptied = sorted(one for one, _ in measured)
    told = {
        "people": options.people,
        "at_once": options.at_once,
        "withdrawals": len(measured),
        "p50_s": round(emptied[len(emptied) // 2], 3),
        "p95_s": round(emptied[int(len(emptied) * 0.95)], 3),
        "longest_s": round(emptied[-1], 3),
        "shown_at_the_next_read": sum(not is_empty for _, is_empty in measured),
        "mails_to_who_withdrew": len(sent & {one.address for one in people}),
        "mails_to_the_others": len(sent & others),
        "load": round(os.getloadavg()[0], 1),
    }
    print(json.dumps(told))
    is_kept = not told["shown_at_the_next_read"] and not told["mails_to_who_withdrew"]
    return (
        0
        if is_kept and told["mails_to_the_others"] == len(others) and told["p95_s"] <= options.at_most
        else 1
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="A withdrawal and the pages that are open.")
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--at-once", type=int, default=2, help="people who withdraw beside each other")
    parser.add_argument("--at-most", type=float, default=1.0, help="seconds, of 95 in 100")
    return parser.parse_args()


def _people(number: int) -> tuple[list[Person], set[str]]:
    """Those who will withdraw, and the addresses of as many others."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.utils import timezone

    from coaching.models import Case
    from interventions.models import Decision, Delivery, Policy
    from interventions.policy import store
    from interventions.policy.document import dump, with_changes
    from tests.support.coaching import make_ask, make_card, make_circle, make_decision

    call_command("migrate", verbosity=0)
    now, run = timezone.now(), os.urandom(4).hex()
    # Nobody's quiet hours are now, so that mails would go out.
    quiet = (now + timedelta(hours=11)).strftime("%H:00"), (now + timedelta(hours=12)).strftime("%H:00")
    document = with_changes(
        store.document(store.live()),
        {
            "limits.quiet_from": quiet[0],
            "limits.quiet_to": quiet[1],
            "limits.quiet_weekends": False,
        },
    )
    draft = Policy.objects.create(
        version=store.live().version + 1, document=dump(document), state="draft", created_at=now
    )
    store.go_live(policy=draft, by=None, now=now, reason="A bench needs open hours")
    made, others = [], set()
    for n in range(2 * number):
        circle = make_circle(name=f"Robin {run} {n}", email=f"robin-{run}-{n}@bench.example", time_zone="UTC")
        learner, ago = circle.learner, now - timedelta(hours=2)
        ask = make_ask(circle, now=ago)
        nudge = make_decision(circle.enrolment, now=ago, step=7, episode=ask.decision.episode)
        _place(nudge, ago)
        mail = make_card(nudge, channel="email", state="queued", sent_at=None, now=ago)
        # Long from now for those who will withdraw: it comes due when they do. The others' when all is over.
        Delivery.objects.filter(pk=mail.pk).update(due_at=now + timedelta(days=1))
        if n >= number:
            others.add(learner.email)
            continue
        shown = make_card(
            make_decision(circle.enrolment, now=ago, step=8, episode=ask.decision.episode), now=ago
        )
        episode = ask.decision.episode
        assert episode is not None
        case = Case.objects.create(
            enrolment=circle.enrolment,
            episode=episode,
            decision=Decision.objects.get(pk=shown.decision_id),
            is_escalation=True,
            assignee=circle.coach,
            opened_at=ago,
            due_at=now + timedelta(days=1),
        )
        part = {"HX-Request": "true"}
        made.append(
            Person(
                {
                    "nudge": [
                        Page("/me/", {**part, "Cookie": _session(circle.account)}, str(shown.decision_id)),
                        Page(
                            "/api/v1/card/",
                            {"Authorization": f"Bearer {_pass(learner)}"},
                            str(shown.decision_id),
                        ),
                    ],
                    "manager": [Page("/team/", {**part, "Cookie": _session(circle.manager)}, str(ask.pk))],
                    "coach": [Page("/inbox/", {**part, "Cookie": _session(circle.coach)}, str(case.pk))],
                },
                _session(circle.account),
                learner.email,
                learner.pk,
            )
        )
    return made, others


def _place(decision: Any, now: Any) -> None:
    from django.db.backends.postgresql.psycopg_any import DateTimeTZRange

    from interventions import limits
    from interventions.models import AlertSlot

    learner = decision.enrolment.learner_id
    AlertSlot.objects.create(
        kind="learner",
        learner_id=learner,
        holder=limits.holder("learner", learner),
        place=1,
        during=DateTimeTZRange(now, now + limits.WINDOW),
        decision=decision,
    )


def _session(user: Any) -> str:
    """The cookies of somebody who has signed in."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

    session = import_module(settings.SESSION_ENGINE).SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}; {settings.CSRF_COOKIE_NAME}={CSRF}"


def _pass(learner: Any) -> str:
    from django.utils import timezone

    from consent.actors import SYSTEM
    from interventions import links, tokens

    now = timezone.now()
    token = tokens.create(name=f"LMS {learner.pk}", scopes=["card"], by=SYSTEM, now=now).token
    return links.make(links.Purpose.CARD, about=learner.pk, detail=token.pk.hex, now=now)


def _programs(port: int, directory: str) -> list["subprocess.Popen[bytes]"]:
    web = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"127.0.0.1:{port}"]
    web += ["--worker-class", "gthread", "--workers", "2", "--threads", "8"]
    worker = [sys.executable, "-m", "celery", "-A", "config", "worker", "-B", "-Q", "path,delivery,upkeep"]
    worker += ["-c", "2", "-s", f"{directory}/beat"]
    return [
        subprocess.Popen(one, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for one in (web, worker)
    ]


def _wait_for(port: int) -> None:
    def answers() -> bool:
        try:
            return (
                _ask(http.client.HTTPConnection("127.0.0.1", port, timeout=5), "GET", "/healthz", {})[0]
                == 200
            )
        except OSError:
            return False

    _until(answers)


def _until(holds: Any) -> None:
    end = time.monotonic() + 120
    while not holds():
        if time.monotonic() > end:
            raise SystemExit("This took longer than two minutes.")
        time.sleep(0.1)


def _ask(
    connection: http.client.HTTPConnection, method: str, path: str, headers: dict[str, str], body: str = ""
) -> tuple[int, str]:
    connection.request(method, path, body or None, headers)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def _withdraw(port: int, person: Person) -> list[tuple[float, bool]]:
    """For each consent: seconds from the POST until the open pages are empty, and whether the next read was."""
    return [_one(port, person, scope, pages) for scope, pages in person.pages.items()]


def _one(port: int, person: Person, scope: str, pages: list[Page]) -> tuple[float, bool]:
    ready = threading.Barrier(len(pages) + 1)
    with ThreadPoolExecutor(len(pages)) as pool:
        open_pages = [pool.submit(_keep_open, port, page, ready) for page in pages]
        ready.wait(GIVE_UP_S)
        if scope == "nudge":
            _due_soon(person.learner_id)
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
        headers = {
            "Cookie": person.cookies,
            "Content-Type": "application/x-www-form-urlencoded",
            "HX-Request": "true",
        }
        body = f"csrfmiddlewaretoken={CSRF}&scope={scope}&allow=no"
        began = time.monotonic()
        status, _ = _ask(connection, "POST", "/me/choices/", headers, body)
        if status != 200:
            raise SystemExit(f"The withdrawal was answered with {status}.")
        is_empty = all(
            page.about not in _ask(connection, "GET", page.path, page.headers)[1] for page in pages
        )
        connection.close()
        return max(one.result() for one in open_pages) - began, is_empty


def _due_soon(learner_id: UUID) -> None:
    """The mail comes due while its learner withdraws."""
    from django.db import connection
    from django.utils import timezone

    from interventions.models import Delivery

    Delivery.objects.filter(learner=learner_id, channel="email").update(
        due_at=timezone.now() + timedelta(seconds=random.uniform(0.1, 1))
    )
    connection.close()


def _let_go(addresses: set[str]) -> None:
    """The mails of those who did not withdraw come due, after everybody else's."""
    from django.utils import timezone

    from interventions.models import Delivery

    rows = Delivery.objects.filter(channel="email", state="queued").select_related("learner")
    theirs = [one.pk for one in rows if one.learner.email in addresses]
    Delivery.objects.filter(pk__in=theirs).update(due_at=timezone.now())


def _keep_open(port: int, page: Page, ready: threading.Barrier) -> float:
    """Reads a page, then listens as its script does; the moment at which it shows nothing of the person."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=GIVE_UP_S)
    status, text = _ask(connection, "GET", page.path, page.headers)
    if status != 200 or page.about not in text:
        raise SystemExit(f"{page.path} was answered with {status} and does not show what it should.")
    found = (
        re.search(r'"?listens[-_]to"?[:=]\s*"([^"]+)"', text),
        re.search(r'"?heard"?[:=]\s*"([^"]+)"', text),
    )
    if not found[0] or not found[1]:
        raise SystemExit(f"{page.path} does not listen.")
    listens_to, heard = found[0][1], found[1][1]
    ready.wait(GIVE_UP_S)
    time.sleep(random.uniform(0, LISTEN_S))
    end = time.monotonic() + GIVE_UP_S
    while time.monotonic() < end:
        word = _ask(connection, "GET", listens_to, {})[1]
        if word != heard:
            heard = word
            if page.about not in _ask(connection, "GET", page.path, page.headers)[1]:
                return time.monotonic()
        time.sleep(LISTEN_S)
    raise SystemExit(f"{page.path} goes on showing who withdrew.")


if __name__ == "__main__":
    sys.exit(main())
