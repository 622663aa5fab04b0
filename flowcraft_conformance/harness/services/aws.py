"""What the servers that speak AWS's protocols have in common: how they are asked who they are, and the fake."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from importlib.metadata import version
from urllib.parse import urlsplit

from flowcraft_conformance.harness.services.model import Command, Launch, Place

URL = "http://127.0.0.1:{port}"
_TALK_SECONDS = 2.0
_NOBODY = "AWS4-HMAC-SHA256 Credential=local/20260101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=0"
_MOTO = """
import logging, sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server
logging.getLogger("werkzeug").setLevel(logging.ERROR)
application = DomainDispatcherApplication(create_backend_app)
make_server("127.0.0.1", int(sys.argv[1]), application, threaded=sys.argv[2] == "threads").serve_forever()
"""
_AMAZON = (".amazonaws.com", ".amazonaws.com.cn")


def identify(url: str, target: str, own_name: str) -> tuple[str, str]:
    """The name of the server at a URL, and an unknown version: no server of this protocol tells its own.

    ``target`` is an operation that every server of the service answers, ``own_name`` what Amazon calls the service.

    Raises:
        OSError: it cannot be reached, or does not answer as one of this service.
    """
    parts = urlsplit(url)
    host = parts.hostname or "127.0.0.1"
    make = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = make(host, parts.port, timeout=_TALK_SECONDS)
    try:
        nobody = _NOBODY.format(service=own_name)
        headers = {"X-Amz-Target": target, "Content-Type": "application/x-amz-json-1.0", "Authorization": nobody}
        connection.request("POST", "/", b"{}", headers)
        reply = connection.getresponse()
        reply.read()
    except HTTPException as error:
        raise ConnectionError(f"this is no server of {own_name}: {error!r}") from error
    finally:
        connection.close()
    if host.endswith(_AMAZON):
        return own_name, "unknown"  # it does not know nobody
    if reply.status != 200:
        raise ConnectionError(f"this is no server of {own_name} that is ready: it answered {reply.status}")
    return _name(dict(reply.getheaders())) or own_name, "unknown"


def moto(*, threads: bool) -> Launch | None:
    """moto as a server, a fake.

    One thread answers one request after the other: moto itself does not keep requests apart. A queue needs threads, for
    a long poll holds its own.
    """
    if any(importlib.util.find_spec(name) is None for name in ("moto", "flask", "flask_cors")):
        return None

    def commands(place: Place) -> Sequence[Command]:
        return [Command([sys.executable, "-c", _MOTO, str(place.port), "threads" if threads else "one"])]

    return Launch("moto", URL, commands, kind="fake", version=version("moto"))


def _name(headers: Mapping[str, str]) -> str:
    told = {name.lower(): value for name, value in headers.items()}
    if told.get("x-amz-id-2") == "fauxqs":
        return "fauxqs"
    server = " ".join(value for name, value in headers.items() if name.lower() == "server")
    known = {"Werkzeug": "moto", "Jetty": "dynamodb-local", "amazon.com": "moto"}
    return next((name for part, name in known.items() if part in server), "")
