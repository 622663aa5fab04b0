"""A server's address as environment variables hold it: a URL or host:port, and the same with another place in it."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PORTS = {"redis": 6379, "valkey": 6379, "amqp": 5672, "postgres": 5432, "postgresql": 5432, "http": 80, "kafka": 9092}
_ENCRYPTED = {"rediss", "valkeys", "amqps", "https", "kafkas"}
_URL = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<user>[^/?#]*@)?(?P<place>[^/?#]*)(?P<rest>.*)", re.DOTALL)
_PLACE = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\s/@,\[\]]+)(?::(?P<port>\d{1,5}))?")


class AddressError(ValueError):
    """A text that names no server a proxy can stand in front of; the text says why."""


@dataclass(frozen=True, slots=True)
class Address:
    """A server's place, and the text around it."""

    host: str
    port: int
    before: str = ""
    after: str = ""

    @classmethod
    def of(cls, text: str) -> Address:
        """Read a URL or host:port.

        Raises:
            AddressError: several hosts, no port, a Unix socket, an encrypted scheme, or no address at all.
        """
        if not text.strip():
            raise AddressError("it is not set")
        url = _URL.fullmatch(text.strip())
        scheme = url["scheme"].lower() if url else ""
        if scheme in _ENCRYPTED:
            raise AddressError(f"{scheme} is encrypted, and the server's certificate does not name the proxy")
        place = url["place"] if url else text.strip()
        if "unix" in scheme or place.startswith("/") or not place:
            raise AddressError("it names no TCP port (a Unix socket?)")
        if "," in place:
            raise AddressError("it names several servers")
        found = _PLACE.fullmatch(place)
        port = int(found["port"]) if found and found["port"] else _PORTS.get(scheme.split("+")[0])
        if found is None or port is None or not 0 < port < 65536:
            raise AddressError("it is neither a URL nor host:port")
        before, after = (f"{url['scheme']}://{url['user'] or ''}", url["rest"]) if url else ("", "")
        return cls(found["host"].strip("[]"), port, before, after)

    def at(self, host: str, port: int) -> str:
        """The same text with another place in it."""
        return f"{self.before}{host}:{port}{self.after}"
