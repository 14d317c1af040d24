"""Signed statements: a JSON web signature among the attachments (xAPI 1.0.3 Data 2.6; RFC 7515)."""

import base64
import binascii
from typing import TYPE_CHECKING, Any

import msgspec

from signals.xapi.faults import Faults
from signals.xapi.sameness import says_the_same

if TYPE_CHECKING:
    from signals.xapi.multipart import File

USAGE = "http://adlnet.gov/expapi/attachments/signature"
CONTENT_TYPE = "application/octet-stream"
ALGORITHMS = ("RS256", "RS384", "RS512")


def check_signature(
    statement: dict[str, Any], entry: dict[str, Any], file: "File | None", where: str, faults: Faults
) -> None:
    """Adds what is wrong with the signature ``file`` of a statement, which ``entry`` describes.

    The signature must be well formed, by one of the allowed algorithms, and over the same statement. Where it brings
    a certificate (x5c) it must have been made with that certificate's key; whose certificate it is, and whether to
    trust it, is for whoever reads the statement.
    """
    if entry["contentType"] != CONTENT_TYPE:
        faults.add(f"{where}.contentType", "is not that of a signature", f'Send "{CONTENT_TYPE}".')
        return
    if file is None:
        faults.add(
            where, "is a signature that did not come along", "Send it as a part of a multipart/mixed request."
        )
        return
    import jwt  # here: only signed statements need it

    token = file.content
    try:
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in ALGORITHMS:
            faults.add(where, "is signed by another algorithm", f"Sign by one of {', '.join(ALGORITHMS)}.")
            return
        certificates = header.get("x5c")
        payload = jwt.PyJWS(algorithms=ALGORITHMS).decode(
            token,
            _key_of(certificates) if certificates else "",
            algorithms=ALGORITHMS,
            options={"verify_signature": bool(certificates)},
        )
        signed = msgspec.json.decode(payload)
    except jwt.InvalidSignatureError:
        faults.add(
            where, "was not made with the key of its certificate", "Sign with the certificate's own key."
        )
        return
    except (jwt.PyJWTError, ValueError, UnicodeDecodeError, TypeError, RecursionError) as error:
        faults.add(where, f"is not a JSON web signature over JSON: {error}", "Send a JWS in compact form.")
        return
    if not _means(signed, statement):
        faults.add(
            where,
            "signs another statement",
            "Sign the statement as it is sent, before the signature is attached.",
        )


def _key_of(certificates: Any) -> Any:
    """The public key of the first certificate of a chain (RFC 7515, 4.1.6). Raises ValueError."""
    from cryptography import x509

    try:
        return x509.load_der_x509_certificate(base64.b64decode(certificates[0], validate=True)).public_key()
    except (IndexError, KeyError, TypeError, binascii.Error) as error:
        raise ValueError("x5c holds no certificate") from error


def _means(signed: Any, statement: dict[str, Any]) -> bool:
    if not isinstance(signed, dict):
        return False
    try:
        return says_the_same(_without_signatures(signed), _without_signatures(statement))
    except (KeyError, TypeError, AttributeError):  # whatever was signed, it is not a statement
        return False


def _without_signatures(statement: dict[str, Any]) -> dict[str, Any]:
    out = dict(statement)
    others = [entry for entry in out.pop("attachments", ()) if entry["usageType"] != USAGE]
    return {**out, "attachments": others} if others else out
