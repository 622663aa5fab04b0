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
# Over a server of its own: werkzeug's closes each connection and may swallow what follows a request.
_MOTO = """
import contextlib, http.server, sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.test import EnvironBuilder, run_wsgi_app
application = DomainDispatcherApplication(create_backend_app)
sys.setrecursionlimit(20_000)  # it reads an expression by recursion
threading.stack_size(128 * 1024 * 1024)
apart = threading.Lock() if sys.argv[2] == "apart" else contextlib.nullcontext()
with contextlib.suppress(ImportError):  # it counts a value that is replaced as if it stayed
    from moto.dynamodb.models.dynamo_type import LimitedSizeDict
    def put(self, key, value, add=LimitedSizeDict.__setitem__):
        before = {key: self.pop(key)} if key in self else {}
        try:
            add(self, key, value)
        except Exception:
            dict.update(self, before)
            raise
    LimitedSizeDict.__setitem__ = put
with contextlib.suppress(ImportError):  # it takes the name k[12] for a path though a placeholder stands for it
    from moto.dynamodb.models.dynamo_type import Item
    def project(self, paths, walk=Item.project):
        if not all(len(path) == 1 and path[0] in self.attrs for path in paths):
            return walk(self, paths)
        chosen = {path[0]: self.attrs[path[0]].to_json() for path in paths}
        return Item(hash_key=self.hash_key, range_key=self.range_key, attrs=chosen)
    Item.project = project
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version, timeout, wbufsize, disable_nagle_algorithm = "HTTP/1.1", 60, -1, True
    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if len(body) < int(self.headers.get("Content-Length") or 0):
            self.close_connection = True
            return
        place = "http://" + self.headers.get("Host", "127.0.0.1")
        made = EnvironBuilder(self.path, place, method="POST", headers=self.headers.items(), data=body)
        with apart:
            parts, status, headers = run_wsgi_app(application, made.get_environ(), buffered=True)
        reply = b"".join(parts)
        code, _, reason = status.partition(" ")
        self.send_response_only(int(code), reason)
        for name, value in headers:
            if name.lower() not in ("content-length", "connection", "server"):
                self.send_header(name, value)
        self.send_header("Server", "moto")
        self.send_header("Content-Length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)
class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    def handle_error(self, request, client_address):
        pass  # a client that is gone
Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
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


def moto(*, apart: bool) -> Launch | None:
    """moto as a server, a fake.

    ``apart``: one request after the other, which moto itself does not see to. A queue cannot do with that, for a long
    poll would keep all others out.
    """
    if any(importlib.util.find_spec(name) is None for name in ("moto", "flask", "flask_cors")):
        return None

    def commands(place: Place) -> Sequence[Command]:
        return [Command([sys.executable, "-c", _MOTO, str(place.port), "apart" if apart else "together"])]

    return Launch("moto", URL, commands, kind="fake", version=version("moto"))


def _name(headers: Mapping[str, str]) -> str:
    told = {name.lower(): value for name, value in headers.items()}
    if told.get("x-amz-id-2") == "fauxqs":
        return "fauxqs"
    server = " ".join(value for name, value in headers.items() if name.lower() == "server")
    known = {"moto": "moto", "Werkzeug": "moto", "Jetty": "dynamodb-local", "amazon.com": "moto"}
    return next((name for part, name in known.items() if part in server), "")
