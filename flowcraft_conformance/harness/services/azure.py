"""How servers of Azure's services are asked who they are."""

from __future__ import annotations

from collections.abc import Mapping
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit

_TALK_SECONDS = 2.0


def asked(url: str, path: str) -> tuple[int, Mapping[str, str], bytes]:
    """What the server at a URL answers to an unsigned GET: status, headers in lower case, and body.

    Raises:
        OSError: it cannot be reached, or speaks no HTTP.
    """
    parts = urlsplit(url)
    make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = make(parts.hostname or "127.0.0.1", parts.port, timeout=_TALK_SECONDS)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
    except HTTPException as error:
        raise ConnectionError(f"this is no server of Azure's: {error!r}") from error
    finally:
        connection.close()
