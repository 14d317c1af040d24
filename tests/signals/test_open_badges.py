"""Badges: believed with their issuer's key, refused against it, and marked as unverified without one."""

import base64
import hashlib
import json
from functools import cache
from typing import Any

import jwt
import pytest
import rfc8785
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from signals.models import Event, Feed, Statement, Verb
from signals.sources.open_badges import EXPIRES, VERIFIED
from signals.sources.proofs import SUITE, Forged, check_proof, public_keys
from signals.xapi import bodies
from tests.support.sources import NOW, bring, counts, known

pytestmark = pytest.mark.django_db

ISSUER = "https://badges.example.org/issuers/1"
KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def base58(raw: bytes) -> str:
    value, digits = int.from_bytes(raw, "big"), ""
    while value:
        value, rest = divmod(value, 58)
        digits = BASE58[rest] + digits
    return "z" + "1" * (len(raw) - len(raw.lstrip(b"\0"))) + digits


def multibase(key: Ed25519PrivateKey) -> str:
    return base58(b"\xed\x01" + key.public_key().public_bytes_raw())


def badge(**more: Any) -> dict[str, Any]:
    return {
        "@context": [
            "https://www.w3.org/ns/credentials/v2",
            "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
        ],
        "id": "urn:uuid:6b2e2a0e-9d0c-4f0e-8a3b-0d7d2b8f4b11",
        "type": ["VerifiableCredential", "OpenBadgeCredential"],
        "issuer": {"id": ISSUER, "type": ["Profile"], "name": "Example School"},
        "validFrom": "2026-02-01T00:00:00Z",
        "validUntil": "2029-02-01T00:00:00Z",
        "credentialSubject": {
            "type": ["AchievementSubject"],
            "identifier": [
                {
                    "type": "IdentityObject",
                    "identityType": "emailAddress",
                    "hashed": False,
                    "identityHash": "anna@example.com",
                }
            ],
            "achievement": {
                "id": "https://badges.example.org/achievements/welding",
                "type": ["Achievement"],
                "name": "Welding",
            },
        },
        **more,
    }


def proven(credential: dict[str, Any], key: Ed25519PrivateKey = KEY) -> dict[str, Any]:
    """The credential with a proof as eddsa-jcs-2022 makes it."""
    options = {
        "@context": credential["@context"],
        "type": "DataIntegrityProof",
        "cryptosuite": SUITE,
        "created": "2026-02-01T00:00:00Z",
        "verificationMethod": f"{ISSUER}#key-1",
        "proofPurpose": "assertionMethod",
    }
    signed = b"".join(hashlib.sha256(rfc8785.dumps(part)).digest() for part in (options, credential))
    return {**credential, "proof": [{**options, "proofValue": base58(key.sign(signed))}]}


def trust(**settings: Any) -> Feed:
    return Feed.objects.create(
        source="open_badges", name="school", base_url=ISSUER, settings=settings, created_at=NOW
    )


def taken() -> dict[str, Any]:
    extensions: dict[str, Any] = bodies.decode(bytes(Statement.objects.get().body))["context"]["extensions"]
    return extensions


def test_it_makes_an_event_of_a_badge_and_keeps_when_it_ends() -> None:
    anna = known()

    report = bring("open_badges", json.dumps(badge()))

    event = Event.objects.get()
    assert counts(report) == {"new": 1}
    assert (event.learner_id, event.verb) == (anna.pk, Verb.EARNED)
    assert taken()[EXPIRES] == "2029-02-01T00:00:00Z"


def test_it_says_that_it_could_not_check_one_without_its_issuers_key() -> None:
    known()

    report = bring("open_badges", json.dumps(proven(badge())))

    assert taken()[VERIFIED] is False
    assert "line 1: is unverified: no key of its issuer is configured" in report.lines()[0]


def test_it_believes_a_proof_made_with_its_issuers_key() -> None:
    known()
    trust(multibase=multibase(KEY))

    report = bring("open_badges", json.dumps(proven(badge())))

    assert taken()[VERIFIED] is True
    assert report.lines() == ["1 rows: 1 new."]


def test_it_marks_as_verified_what_was_taken_in_before_the_key_was_there() -> None:
    known()
    bring("open_badges", json.dumps(proven(badge())))
    trust(multibase=multibase(KEY))

    assert counts(bring("open_badges", json.dumps(proven(badge())))) == {"changed": 1}


@pytest.mark.parametrize("what", ["another key", "another date", "no signature"])
def test_it_refuses_a_badge_that_was_altered(what: str) -> None:
    known()
    trust(multibase=multibase(KEY))
    forged = proven(badge(), key=OTHER if what == "another key" else KEY)
    if what == "another date":
        forged["validUntil"] = "2039-02-01T00:00:00Z"
    if what == "no signature":
        forged["proof"][0]["proofValue"] = "z"

    report = bring("open_badges", json.dumps(forged))

    assert counts(report) == {"refused": 1}
    assert "is not signed with its issuer's key" in report.lines()[0]


def test_it_does_not_let_a_key_speak_for_another_issuer() -> None:
    known()
    trust(multibase=multibase(KEY))

    bring("open_badges", json.dumps(proven(badge(issuer="https://elsewhere.example.org"))))

    assert taken()[VERIFIED] is False


def test_it_says_that_it_cannot_check_another_kind_of_proof() -> None:
    known()
    trust(multibase=multibase(KEY))
    other = {
        **badge(),
        "proof": {"type": "DataIntegrityProof", "cryptosuite": "eddsa-rdfc-2022", "proofValue": "z1"},
    }

    report = bring("open_badges", json.dumps(other))

    assert "is unverified: its proof is of another kind" in report.lines()[0]


CONTEXT = ["https://www.w3.org/ns/credentials/v2", "https://www.w3.org/ns/credentials/examples/v2"]
VECTOR_KEY = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"
# Example B.2 of W3C Data Integrity EdDSA Cryptosuites 1.0, whose signature others have computed.
VECTOR = {
    "@context": CONTEXT,
    "id": "urn:uuid:58172aac-d8ba-11ed-83dd-0b3aef56cc33",
    "type": ["VerifiableCredential", "AlumniCredential"],
    "name": "Alumni Credential",
    "description": "A minimum viable example of an Alumni Credential.",
    "issuer": "https://vc.example/issuers/5678",
    "validFrom": "2023-01-01T00:00:00Z",
    "credentialSubject": {"id": "did:example:abcdefgh", "alumniOf": "The School of Examples"},
    "proof": {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "created": "2023-02-24T23:36:38Z",
        "verificationMethod": f"did:key:{VECTOR_KEY}#{VECTOR_KEY}",
        "proofPurpose": "assertionMethod",
        "@context": CONTEXT,
        "proofValue": "z2HnFSSPPBzR36zdDgK8PbEHeXbR56YF24jwMpt3R1eHXQzJDMWS93FCzpvJpwTWd3GAVFuUfjoJdcnTMuVor51aX",
    },
}


def test_it_agrees_with_the_example_of_the_standard() -> None:
    keys = public_keys({"multibase": VECTOR_KEY})

    check_proof(VECTOR, keys)
    check_proof({**VECTOR, "@context": [*CONTEXT, "https://example.com/added-on-the-way"]}, keys)
    with pytest.raises(Forged):
        check_proof({**VECTOR, "@context": CONTEXT[:1]}, keys)
    with pytest.raises(Forged):
        check_proof({**VECTOR, "name": "Another"}, keys)


# --- signed tokens ----------------------------------------------------------------------------------------------------


@cache
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem() -> str:
    public = rsa_key().public_key()
    return public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()


def test_it_believes_a_token_signed_by_its_issuer() -> None:
    known()
    trust(pem=pem())
    # Long expired: that is a fact about the badge, not about its signature.
    token = jwt.encode({**badge(), "iss": ISSUER, "exp": 1}, rsa_key(), algorithm="RS256")

    report = bring("open_badges", token)

    assert counts(report) == {"new": 1}
    assert taken()[VERIFIED] is True


def test_it_reads_keys_as_a_jwk_set_and_badges_in_a_claim() -> None:
    known()
    jwk = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(KEY.public_key()))
    trust(jwks={"keys": [jwk]})

    bring(
        "open_badges", json.dumps({"credentials": [jwt.encode({"vc": badge(), "iss": ISSUER}, KEY, "EdDSA")]})
    )

    assert taken()[VERIFIED] is True


@pytest.mark.parametrize("algorithm", ["HS256", "none"])
def test_it_refuses_a_token_that_is_signed_with_what_everybody_has(algorithm: str) -> None:
    known()
    trust(pem=pem())
    # The public key's text as a shared secret: the classical forgery. (PyJWT itself refuses to make one.)
    secret: Any = "x" * 40 if algorithm == "HS256" else None
    token = jwt.encode({**badge(), "iss": ISSUER}, secret, algorithm=algorithm)

    assert counts(bring("open_badges", token)) == {"refused": 1}


def test_it_refuses_a_token_in_anothers_name() -> None:
    known()
    trust(pem=pem())
    token = jwt.encode({**badge(), "iss": "https://elsewhere.example.org"}, rsa_key(), algorithm="RS256")

    assert counts(bring("open_badges", token)) == {"refused": 1}


# --- whom it was given to, and what is none --------------------------------------------------------------------------


def with_holder(**subject: Any) -> str:
    found = badge()
    del found["credentialSubject"]["identifier"]
    found["credentialSubject"].update(subject)
    return json.dumps(found)


def test_it_knows_the_holder_by_an_address_or_a_decentralised_identifier() -> None:
    known()
    bring("open_badges", with_holder(id="mailto:Anna@example.com"))

    report = bring("open_badges", with_holder(id="did:key:z6Mk"))

    assert Event.objects.count() == 1
    assert counts(report) == {"new": 1, "waiting": 1}


def test_it_cannot_tell_whom_a_salted_hash_means() -> None:
    hidden = {"identityType": "emailAddress", "hashed": True, "identityHash": "sha256$00", "salt": "s"}

    report = bring("open_badges", with_holder(identifier=[hidden]))

    assert "hides whom it was given to" in report.lines()[0]


@pytest.mark.parametrize(
    "content",
    ["{}", '{"type": "OpenBadgeCredential"}', "no badge", "[1, null]", '{"type": ["VerifiableCredential"]}'],
)
def test_it_says_what_is_no_badge(content: str) -> None:
    report = bring("open_badges", content)

    assert counts(report) == {"refused": len(report.problems)}
    assert report.problems


def test_it_reads_one_badge_a_line() -> None:
    known()
    lines = [
        json.dumps(badge(id=f"urn:uuid:6b2e2a0e-9d0c-4f0e-8a3b-0d7d2b8f4b1{number}")) for number in range(3)
    ]

    assert counts(bring("open_badges", "\n".join(lines))) == {"new": 3}


def test_it_refuses_a_badge_with_half_a_character() -> None:
    credential = (
        rb'{"type": ["OpenBadgeCredential"], "issuer": "https://i.example", "validFrom": "2025-01-01T00:00:00Z",'
        rb' "credentialSubject": {"id": "mailto:a@x.example", "achievement": {"id": "urn:a", "name": "\ud800"}}}'
    )
    parts = (base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b'{"alg":"ES256"}', credential, b"x"))

    assert counts(bring("open_badges", b".".join(parts))) == {"refused": 1}
