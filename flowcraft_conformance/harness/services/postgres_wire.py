"""Just enough of PostgreSQL's protocol to log in and read the version, so that the kit needs no client library."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
from urllib.parse import unquote, urlsplit

_TALK_SECONDS = 5.0
_PROTOCOL = (3 << 16).to_bytes(4, "big")
_CLEARTEXT, _MD5, _SASL, _SASL_CONTINUE = 3, 5, 10, 11


def identify(url: str) -> tuple[str, str]:
    """Name and version of the server.

    Raises:
        OSError: it cannot be reached, is not ready, or does not let this user in.
    """
    parts = urlsplit(url)
    user, password = unquote(parts.username or "postgres"), unquote(parts.password or "")
    with socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 5432), _TALK_SECONDS) as connection:
        words = ["user", user, "database", unquote(parts.path.lstrip("/")) or user, ""]
        start = _PROTOCOL + b"".join(word.encode() + b"\0" for word in words)
        connection.sendall((len(start) + 4).to_bytes(4, "big") + start)
        talk = _Talk(connection, user, password)
        while True:
            kind, body = talk.read()
            if kind == b"R":
                talk.authenticate(body)
            elif kind == b"S" and body.startswith(b"server_version\0"):
                return "postgresql", body.split(b"\0")[1].decode().split(" ")[0]
            elif kind in (b"E", b"Z"):
                raise ConnectionError(body.replace(b"\0", b" ").decode(errors="replace"))


class _Talk:
    """One connection that logs in."""

    def __init__(self, connection: socket.socket, user: str, password: str) -> None:
        self._connection = connection
        self._user = user
        self._password = password
        self._first = f"n=,r={secrets.token_urlsafe(18)}"

    def read(self) -> tuple[bytes, bytes]:
        head = self._exactly(5)
        return head[:1], self._exactly(int.from_bytes(head[1:], "big") - 4)

    def authenticate(self, body: bytes) -> None:
        how, rest = int.from_bytes(body[:4], "big"), body[4:]
        if how == _CLEARTEXT:
            self._answer(self._password.encode() + b"\0")
        elif how == _MD5:
            inner = hashlib.md5((self._password + self._user).encode(), usedforsecurity=False).hexdigest()
            self._answer(
                b"md5" + hashlib.md5(inner.encode() + rest, usedforsecurity=False).hexdigest().encode() + b"\0"
            )
        elif how == _SASL:
            first = b"n,," + self._first.encode()
            self._answer(b"SCRAM-SHA-256\0" + len(first).to_bytes(4, "big") + first)
        elif how == _SASL_CONTINUE:
            self._answer(self._proof(rest.decode()))

    def _proof(self, challenge: str) -> bytes:
        """SCRAM-SHA-256 (RFC 7677)."""
        told = dict(part.split("=", 1) for part in challenge.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self._password.encode(), base64.b64decode(told["s"]), int(told["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        last = f"c=biws,r={told['r']}"
        signed = ",".join([self._first, challenge, last]).encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = bytes(one ^ other for one, other in zip(key, signature, strict=True))
        return f"{last},p={base64.b64encode(proof).decode()}".encode()

    def _answer(self, body: bytes) -> None:
        self._connection.sendall(b"p" + (len(body) + 4).to_bytes(4, "big") + body)

    def _exactly(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            part = self._connection.recv(count - len(received))
            if not part:
                raise ConnectionError("the server closed the connection while logging in")
            received += part
        return received
