"""Where a mail comes back to: an address of ours that names the delivery and is signed (VERP).

Mail servers return what they could not deliver to the envelope's sender. One per delivery says which it was, whatever
else is left of it, and nobody else can make one.
"""

import base64
import binascii
import re
from uuid import UUID

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

# In small letters without padding: some servers fold the local part. 26 for the delivery and 16 for the signature; with
# "bounces+" well below the 64 characters that RFC 5321 allows.
_TOKEN = re.compile(r"\+([a-z2-7]{26})([a-z2-7]{16})@", re.IGNORECASE)


def make(delivery_id: UUID) -> str:
    """The envelope's sender for this delivery; empty where none is set up."""
    local, at, domain = settings.BOUNCE_ADDRESS.rpartition("@")
    if not at:
        return ""
    return f"{local}+{_text(delivery_id.bytes)}{_signature(delivery_id, settings.SECRET_KEY)}@{domain}"


def read(text: str) -> UUID | None:
    """The delivery that an address of ours in this text names; None without one that we signed."""
    for token, signature in _TOKEN.findall(text):
        try:
            delivery_id = UUID(bytes=base64.b32decode(token.upper() + "=" * 6))
        except (binascii.Error, ValueError):
            continue
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
            if constant_time_compare(_signature(delivery_id, key), signature.lower()):
                return delivery_id
    return None


def _signature(delivery_id: UUID, key: str) -> str:
    made = salted_hmac("rekindle.return_path", delivery_id.hex, secret=key, algorithm="sha256")
    return _text(made.digest()[:10])


def _text(raw: bytes) -> str:
    return base64.b32encode(raw).decode().lower().rstrip("=")
