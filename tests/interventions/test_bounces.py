"""Mails that come back late: which reports are believed, what follows, and how they are read."""

import io
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core.management import CommandError, call_command

from interventions import bounces, deliver, mailboxes, reachability, return_paths
from interventions.bounces import Verdict
from interventions.models import Attempt, Delivery, Episode, Suppression, UnreachableAddress
from learners.models import Learner
from tests.support.coaching import NOW, Circle, make_circle, make_decision
from tests.support.imap import Postbox, imap_server
from tests.support.interventions import make_delivery, make_escalation, make_slot
from tests.support.learners import make_identifier
from tests.support.mail import smtp_server

pytestmark = pytest.mark.django_db
ROBIN = "robin@works.example"


@pytest.fixture
def circle() -> Circle:
    circle = make_circle(name="Robin Fielding", email=ROBIN)
    circle.account.delete()
    make_identifier(learner=circle.learner, value=ROBIN)
    return circle


@pytest.fixture
def sent(circle: Circle) -> Delivery:
    """A mail that the server took."""
    decision = make_decision(circle.enrolment)
    make_slot(decision=decision, at=NOW)
    delivery = make_delivery(decision=decision)
    deliver.deliver(now=NOW)
    delivery.refresh_from_db()
    assert delivery.state == "sent"
    return delivery


def report(
    delivery_id: UUID | str,
    *,
    status: str = "5.1.1",
    diagnosis: str = "smtp; 550 5.1.1 no such user",
    action: str = "failed",
    recipient: str = ROBIN,
    to: str = "bounces@rekindle.example",
    returned: str = "message/rfc822",
) -> bytes:
    """What a mail server sends back (RFC 3464)."""
    return f"""From: MAILER-DAEMON@mx.works.example
To: {to}
Subject: Undelivered Mail Returned to Sender
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1
Content-Type: text/plain

Your message could not be delivered.

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.works.example
Arrival-Date: Mon, 2 Mar 2026 10:00:00 +0000

Final-Recipient: rfc822; {recipient}
Action: {action}
Status: {status}
Diagnostic-Code: {diagnosis}

--b1
Content-Type: {returned}

Message-ID: <{delivery_id}@rekindle>
To: {recipient}
Subject: Pick up where you left

Ten minutes are enough.
--b1--
""".replace("\n", "\r\n").encode()


def again(delivery: Delivery) -> Delivery:
    delivery.refresh_from_db()
    return delivery


class TestWhatFollows:
    @pytest.mark.parametrize("returned", ["message/rfc822", "text/rfc822-headers"])
    def test_a_mailbox_that_is_gone_makes_the_address_unreachable(
        self, sent: Delivery, returned: str
    ) -> None:
        verdict = bounces.read(report(sent.pk, returned=returned), now=NOW)

        assert verdict is Verdict.GONE
        assert again(sent).state == "failed"
        assert sent.provider_answer == "came back: report 5.1.1 550"
        assert UnreachableAddress.objects.get().detail == "report 5.1.1 550"
        assert not Attempt.objects.exists()
        assert Suppression.objects.get().reason == "failed"

    @pytest.mark.parametrize("taken_over", [False, True])
    def test_what_reached_nobody_proves_nothing_however_late_we_hear_of_it(
        self, sent: Delivery, taken_over: bool
    ) -> None:
        attempt = Attempt.objects.get()
        Attempt.objects.update(verdict="no_improvement", judged_at=attempt.window_ends_at)
        attempt.refresh_from_db()
        Episode.objects.update(failed_attempts=1, step=1)
        if taken_over:  # a person has it already: their proof stays as it was
            make_escalation(proof=attempt)

        bounces.read(report(sent.pk), now=NOW)

        assert Attempt.objects.exists() is taken_over
        assert Episode.objects.get().failed_attempts == int(taken_over)

    @pytest.mark.parametrize(
        ("status", "action"), [("4.4.7", "delayed"), ("4.2.2", "failed"), ("2.1.5", "delivered")]
    )
    def test_what_may_pass_changes_nothing(self, sent: Delivery, status: str, action: str) -> None:
        raw = report(sent.pk, status=status, action=action, diagnosis="smtp; 450 later")

        assert bounces.read(raw, now=NOW) is Verdict.TEMPORARY
        assert again(sent).state == "sent"
        assert not UnreachableAddress.objects.exists()

    @pytest.mark.parametrize(
        ("status", "diagnosis"),
        [
            ("5.7.1", "smtp; 550 5.7.1 blocked by policy"),
            ("5.0.0", "smtp; 550 5.7.26 DMARC"),
            ("5.2.2", "smtp; 552 5.2.2 mailbox full"),
            ("5.1.8", "smtp; 553 5.1.8 bad sender"),
        ],
    )
    def test_a_refusal_that_is_about_us_takes_back_the_mail_only(
        self, sent: Delivery, status: str, diagnosis: str
    ) -> None:
        """Else one wrong entry in our domain's DNS would make everybody unreachable."""
        verdict = bounces.read(report(sent.pk, status=status, diagnosis=diagnosis), now=NOW)

        assert verdict is Verdict.REFUSED
        assert again(sent).state == "failed"
        assert not UnreachableAddress.objects.exists()

    def test_the_server_at_the_end_is_believed_more_than_the_one_that_reports(self, sent: Delivery) -> None:
        raw = report(sent.pk, status="5.0.0", diagnosis="smtp; 550 unknown user")

        assert bounces.read(raw, now=NOW) is Verdict.GONE

    def test_reading_it_twice_changes_nothing_more(self, sent: Delivery) -> None:
        bounces.read(report(sent.pk), now=NOW)

        assert bounces.read(report(sent.pk), now=NOW) is Verdict.KNOWN
        assert UnreachableAddress.objects.count() == 1

    def test_an_address_that_was_corrected_since_is_unharmed(self, sent: Delivery) -> None:
        new = "robin.fielding@works.example"
        Learner.objects.filter(pk=sent.learner_id).update(email=new)
        make_identifier(learner=sent.learner, value=new)

        bounces.read(report(sent.pk, recipient="relay@elsewhere.example"), now=NOW)

        assert again(sent).state == "failed"
        assert not UnreachableAddress.objects.exists()

    def test_a_forwarder_that_names_another_address_means_the_only_one_there_is(self, sent: Delivery) -> None:
        verdict = bounces.read(report(sent.pk, recipient="relay@elsewhere.example"), now=NOW)

        assert verdict is Verdict.GONE
        assert UnreachableAddress.objects.get().hash == reachability.known_hashes(sent.learner_id)[0]


class TestWhatIsIgnored:
    @pytest.mark.parametrize(
        ("raw", "verdict"),
        [
            (b"", Verdict.NO_REPORT),
            (b"\xff\xfe\x00" * 50, Verdict.NO_REPORT),
            (b"Subject: Out of office\r\n\r\nBack on Monday.", Verdict.NO_REPORT),
            (report(uuid4()), Verdict.NOT_OURS),
            (report("nothing-of-ours"), Verdict.NOT_OURS),
            (report(uuid4()).replace(b'boundary="b1"', b'boundary="b2"'), Verdict.NO_REPORT),
            (report(uuid4(), status="none"), Verdict.NO_REPORT),
        ],
    )
    def test_it_is_counted_and_nothing_follows(self, sent: Delivery, raw: bytes, verdict: Verdict) -> None:
        assert bounces.read_all([raw], now=NOW) == {verdict: 1}
        assert again(sent).state == "sent"

    @pytest.mark.parametrize("depth", [400, 20_000])
    def test_parts_within_parts_end_somewhere(self, sent: Delivery, depth: int) -> None:
        raw = b"Content-Type: message/rfc822\r\n\r\n" * depth + report(sent.pk)

        assert bounces.read(raw, now=NOW) is Verdict.NO_REPORT

    def test_a_report_that_is_cut_off_is_still_read(self, sent: Delivery) -> None:
        raw = report(sent.pk)

        assert bounces.read(raw[: raw.index(b"Ten minutes")], now=NOW) is Verdict.GONE


class TestReturnPath:
    @pytest.fixture(autouse=True)
    def address(self, settings: Any) -> None:
        settings.BOUNCE_ADDRESS = "bounces@rekindle.example"

    def test_each_mail_has_its_own_and_shows_our_name(self, circle: Circle, settings: Any) -> None:
        with smtp_server() as mailbox:
            settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
            settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", mailbox.port
            decision = make_decision(circle.enrolment)
            make_slot(decision=decision, at=NOW)
            delivery = make_delivery(decision=decision)
            deliver.deliver(now=NOW)

        (sender,) = mailbox.senders
        assert sender == return_paths.make(delivery.pk)
        assert len(sender.partition("@")[0]) <= 64
        assert mailbox.messages[0]["From"] == settings.DEFAULT_FROM_EMAIL

    def test_it_names_the_delivery_whatever_is_left_of_the_mail(self, sent: Delivery) -> None:
        to = return_paths.make(sent.pk).upper()  # some servers fold it

        verdict = bounces.read(report("lost", to=to), now=NOW)

        assert verdict is Verdict.GONE

    def test_a_forged_one_is_ignored_even_with_the_right_message_id(self, sent: Delivery) -> None:
        good = return_paths.make(sent.pk)
        token = good.partition("+")[2].partition("@")[0]
        forged = good.replace(token, token[:-1] + ("a" if token[-1] != "a" else "b"))

        assert bounces.read(report(sent.pk, to=forged), now=NOW) is Verdict.NOT_OURS
        assert bounces.read(report(sent.pk), now=NOW) is Verdict.NOT_OURS
        assert again(sent).state == "sent"

    def test_one_of_a_former_key_counts_while_it_is_kept(self, settings: Any) -> None:
        delivery_id = uuid4()
        former = return_paths.make(delivery_id)
        settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "another-key", [settings.SECRET_KEY]
        assert return_paths.read(former) == delivery_id

        settings.SECRET_KEY_FALLBACKS = []
        assert return_paths.read(former) is None


class TestReading:
    def test_a_pipe_gives_one_mail(self, sent: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
        piped = SimpleNamespace(buffer=io.BytesIO(report(sent.pk)))
        monkeypatch.setattr("interventions.management.commands.read_bounces.sys.stdin", piped)
        out = io.StringIO()

        call_command("read_bounces", stdout=out)

        assert out.getvalue() == "1 for good: the address is unreachable\n"
        assert again(sent).state == "failed"

    @pytest.fixture
    def box(self, settings: Any) -> Iterator[Postbox]:
        with imap_server() as server:
            settings.BOUNCE_MAILBOX_URL = server.url
            yield server

    def test_a_mailbox_is_read_and_each_mail_marked(self, box: Postbox, sent: Delivery) -> None:
        box.mails = [b"Subject: hello\r\n\r\n", report(sent.pk)]

        first, second = mailboxes.read_waiting(now=NOW), mailboxes.read_waiting(now=NOW)

        assert (first, second) == (2, 0)
        assert box.seen == {1, 2}
        assert again(sent).state == "failed"

    def test_the_command_says_what_came(self, box: Postbox, sent: Delivery) -> None:
        box.mails = [report(sent.pk), report(uuid4())]
        out = io.StringIO()

        call_command("read_bounces", "--mailbox", stdout=out)

        assert out.getvalue().splitlines() == [
            "1 for good: the address is unreachable",
            "1 no report on a mail of ours",
        ]

    def test_it_reads_nothing_where_none_is_set_up(self) -> None:
        assert mailboxes.read_waiting(now=NOW) == 0
        with pytest.raises(CommandError, match="Set BOUNCE_MAILBOX_URL"):
            call_command("read_bounces", "--mailbox")

    @pytest.mark.parametrize(
        ("address", "fault"),
        [
            ("https://mail.example/", "Write BOUNCE_MAILBOX_URL as imaps"),
            ("imaps://mail.example/INBOX", "Write BOUNCE_MAILBOX_URL as imaps"),
            ("imap://me:qq7zz@mail.example/INBOX", "over TLS only"),
            ("imap://me:qq7zz@127.0.0.1:1/INBOX", "is not reached"),
            ("imap://me:qq7zz@127.0.0.1:port/INBOX", "is no address"),
        ],
    )
    def test_it_says_what_to_mend(self, settings: Any, address: str, fault: str) -> None:
        settings.BOUNCE_MAILBOX_URL = address

        with pytest.raises(CommandError, match=fault) as said:
            call_command("read_bounces", "--mailbox")
        assert "qq7zz" not in str(said.value)

    def test_it_says_when_the_mailbox_does_not_let_us_in(self, box: Postbox, settings: Any) -> None:
        settings.BOUNCE_MAILBOX_URL = box.url.replace("box-pass", "wrong")

        with pytest.raises(mailboxes.MailboxFault, match="does not let us in"):
            mailboxes.read_waiting(now=NOW)

    def test_it_says_when_there_is_no_such_folder(self, box: Postbox, settings: Any) -> None:
        settings.BOUNCE_MAILBOX_URL = box.url.replace("INBOX", "Other")

        with pytest.raises(mailboxes.MailboxFault, match="no mailbox"):
            mailboxes.read_waiting(now=NOW)
