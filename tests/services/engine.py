"""A stand-in for a container engine's API on a Unix socket: its containers are server processes of this machine.

``python -m tests.services.engine SOCKET``: every line it prints is one request. It runs Valkey whatever the image is
called, on the port that was published; no image is ever pulled.
"""

from __future__ import annotations

import json
import re
import socketserver
import subprocess
import sys
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from flowcraft_conformance.harness.services.model import Place
from flowcraft_conformance.harness.services.redis import REDIS

_ID = "c0ffee" * 10 + "abcd"


class Engine(socketserver.ThreadingUnixStreamServer):
    """The containers that were created, by id, and those that run."""

    daemon_threads = True

    def __init__(self, path: str) -> None:
        super().__init__(path, _Requests)
        self.created: dict[str, dict[str, Any]] = {}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.folder = TemporaryDirectory(prefix="engine-")

    def start(self, container: str) -> None:
        """Run a server on the port that was published."""
        ((published,),) = self.created[container]["HostConfig"]["PortBindings"].values()
        assert published["HostIp"] == "127.0.0.1"
        launch = REDIS.finders[0]()
        assert launch is not None
        place = Place(Path(self.folder.name), int(published["HostPort"]), (), "")
        (command,) = launch.commands(place)
        self.running[container] = subprocess.Popen(list(command.arguments), stdout=subprocess.DEVNULL)

    def remove(self, container: str) -> None:
        """Stop the server."""
        process = self.running.pop(container, None)
        if process is not None:
            process.kill()
            process.wait()
            self.folder.cleanup()
        self.created.pop(container, None)


class _Requests(BaseHTTPRequestHandler):
    server: Engine
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self._path()
        if path == "/_ping":
            self._answer(200, b"OK", "text/plain")
        elif path == "/version":
            self._answer(200, {"ApiVersion": "1.44", "Version": "27.0", "MinAPIVersion": "1.24"})
        elif path == "/info":
            self._answer(200, {"Name": "stand-in", "ServerVersion": "27.0"})
        elif found := re.fullmatch(r"/containers/(\w+)/json", path):
            self._answer(200, self._inspected(found[1]))
        elif path.startswith("/images/"):
            self._answer(200, {"Id": "sha256:1", "RepoTags": []})
        else:
            self._answer(404, {"message": f"no {path}"})

    def do_POST(self) -> None:
        path = self._path()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if path == "/containers/create":
            self.server.created[_ID] = json.loads(body)
            self._answer(201, {"Id": _ID, "Warnings": []})
        elif found := re.fullmatch(r"/containers/(\w+)/start", path):
            self.server.start(found[1])
            self._answer(204, b"")
        elif path.endswith(("/stop", "/kill")):
            self._answer(204, b"")
        else:
            self._answer(404, {"message": f"no {path}"})

    def do_DELETE(self) -> None:
        self.server.remove(self._path().split("/")[2])
        self._answer(204, b"")

    def _inspected(self, container: str) -> dict[str, Any]:
        created = self.server.created[container]
        running = container in self.server.running
        return {
            "Id": container,
            "Name": "/stand-in",
            "Image": created["Image"],
            "Config": created,
            "HostConfig": created["HostConfig"],
            "State": {"Status": "running" if running else "created", "Running": running},
            "NetworkSettings": {"Ports": created["HostConfig"]["PortBindings"], "Networks": {}},
        }

    def _path(self) -> str:
        path = re.sub(r"^/v\d+\.\d+", "", self.path.partition("?")[0])
        print(self.command, path, flush=True)
        return path

    def _answer(self, status: int, content: Any, kind: str = "application/json") -> None:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """The requests are printed once, by path."""


if __name__ == "__main__":
    with Engine(sys.argv[1]) as engine:
        engine.serve_forever()
