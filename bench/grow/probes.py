"""Key strings that the bench knows, so that some of the generated keys can be presented."""

import hashlib
import hmac
import zlib

INSTALLATION_SECRET = bytes(range(32))


def secret(number):
    body = "sk-or-v1-" + hashlib.sha256(f"probe {number}".encode()).hexdigest()[:56]
    return body + f"{zlib.crc32(body.encode()):08x}"


def digest(key):
    return hashlib.sha256(key.encode()).digest()


def label(key):
    return f"{key[:12]}...{key[-3:]}"


def tag(key):
    """As the gateway derives it from the installation's secret: HKDF-SHA-256, then HMAC."""
    root = hmac.digest(b"keyway installation secret v1", INSTALLATION_SECRET, "sha256")
    tags = hmac.digest(root, b"client key tag\x01", "sha256")
    return hmac.digest(tags, key.encode(), "sha256")


def places(keys, first, count):
    """Ids of `count` of the keys from `first` on, evenly spread."""
    return [first + keys * place // count for place in range(count)]
