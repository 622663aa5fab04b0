"""Holds one container for as long as this process is told to: a script, run under the supervisor."""

import json
import signal
import sys
import threading
from typing import Any


def main() -> None:
    """IMAGE PORT HOST_PORT ENVIRONMENT(JSON) COMMAND: run it, published on the loopback interface, until SIGTERM."""
    from testcontainers.core.container import DockerContainer

    image, port, host_port, environment, command = sys.argv[1:]
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    container: Any = DockerContainer(image)
    container.ports = {int(port): ("127.0.0.1", int(host_port))}
    for name, value in json.loads(environment).items():
        container.with_env(name, value)
    if command:
        container.with_command(command)
    container.start()
    try:
        while not ended.wait(1.0):
            pass
    finally:
        container.stop()


if __name__ == "__main__":
    main()
