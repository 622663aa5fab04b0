"""The inside of a worker process: makes the calls it is told to make, and logs the start and the end of each."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any, BinaryIO

from flowcraft_conformance.harness.errors import TargetError
from flowcraft_conformance.harness.live.inside import LiveWorker
from flowcraft_conformance.harness.loop import bounded
from flowcraft_conformance.harness.target import open_client
from flowcraft_conformance.harness.workers.clients import client_factory
from flowcraft_conformance.harness.workers.outside import Outside
from flowcraft_conformance.harness.workers.wire import Lane, PlannedCall, encode

_PR_SET_PDEATHSIG = 1
_CLOSING_SECONDS = 5.0
_AWAKE_SECONDS = 0.002
"""A lane is awake this long before a call that has an appointed time: sleeping is not exact."""


def main(order: dict[str, Any]) -> None:
    """Serve until the pipe that is standard input is closed, as it is when the kit ends, however it ends."""
    _die_with_parent(order["parent"])
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what a target prints is not an answer
    os.chdir(order["folder"])
    with asyncio.Runner() as runner:
        runner.run(_serve(order, answers))


async def _serve(order: dict[str, Any], answers: BinaryIO) -> None:
    inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    log = os.open(order["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    outside = Outside()
    try:
        factory = client_factory(order)
    except TargetError as error:
        _say(answers, {"failed": str(error)})
        return
    outside.watch()
    threading.Thread(target=_listen, args=(asyncio.get_running_loop(), inbox), daemon=True).start()
    async with AsyncExitStack() as stack:
        worker, live = _Worker(factory, stack, log), LiveWorker(order, log)
        _say(answers, {"ready": True})
        while True:
            command = await inbox.get()
            if command["do"] == "outside":
                _say(answers, {"outside": outside.reached()})
            elif command["do"] == "work":
                _say(answers, await live.work(command))
            elif command["do"] == "rest":
                _say(answers, await live.rest())
            elif command["do"] == "prepare":
                _say(answers, await worker.prepare(command))
            else:
                _say(answers, await worker.run(command["start"]))


def _listen(loop: asyncio.AbstractEventLoop, inbox: asyncio.Queue[dict[str, Any]]) -> None:
    for line in sys.stdin.buffer:
        loop.call_soon_threadsafe(inbox.put_nowait, json.loads(line))
    os._exit(0)  # whatever the target is doing


def _say(answers: BinaryIO, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message).encode() + b"\n")


class _Worker:
    """One process with its clients; those that the next program needs stay open."""

    def __init__(self, factory: Callable[..., Any], stack: AsyncExitStack, log: int) -> None:
        self._factory = factory
        self._stack = stack
        self._log = log
        self._clients: dict[Any, tuple[AsyncExitStack, Any]] = {}
        self._programs: list[_Program] = []

    async def prepare(self, command: dict[str, Any]) -> dict[str, Any]:
        """Read a program and open its clients, so that nothing but calls lies between its start and its end."""
        lanes = [Lane.from_json(data) for data in command["lanes"]]
        try:
            await self._close_all_but({(lane.arguments, lane.instance) for lane in lanes})
            clients = [await self._client(lane) for lane in lanes]
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            return {"failed": f"building a client raised {type(error).__name__}: {error}"}
        self._programs = [
            _Program(self._log, lane, client, command["within"]) for lane, client in zip(lanes, clients, strict=True)
        ]
        return {"prepared": True}

    async def run(self, start: float) -> dict[str, Any]:
        """Make the calls of the program, its lanes side by side."""
        await asyncio.gather(*[program.run(start) for program in self._programs])
        return {"done": True}

    async def _client(self, lane: Lane) -> Any:
        identity = (lane.arguments, lane.instance)
        if identity not in self._clients:
            stack = await self._stack.enter_async_context(AsyncExitStack())
            self._clients[identity] = stack, await open_client(stack, self._factory, *lane.arguments)
        return self._clients[identity][1]

    async def _close_all_but(self, needed: set[Any]) -> None:
        """A context has a client a run: a backend may have room for few connections."""
        for identity in [identity for identity in self._clients if identity[0] and identity not in needed]:
            stack, _ = self._clients.pop(identity)
            with contextlib.suppress(Exception):
                await bounded(stack.aclose, within=_CLOSING_SECONDS, what="closing a client")


class _Program:
    """The calls of one lane."""

    def __init__(self, log: int, lane: Lane, client: Any, within: float) -> None:
        self._log = log
        self._lane = lane
        self._client = client
        self._start = 0.0
        self._within = within

    async def run(self, start: float) -> None:
        """Make the calls, each at its time after ``start``."""
        self._start = start
        for number, call in enumerate(self._lane.calls):
            await self._wait_for(call)
            await self._make(number, call)

    async def _wait_for(self, call: PlannedCall) -> None:
        if call.at is None:
            return
        due = self._start + call.at
        await asyncio.sleep(due - time.monotonic() - _AWAKE_SECONDS)
        while time.monotonic() < due:  # noqa: ASYNC110
            await asyncio.sleep(0)

    async def _make(self, number: int, call: PlannedCall) -> None:
        name, arguments = call.name, [encode(argument) for argument in call.arguments]
        begun = {"client": self._lane.client, "call": number, "name": name, "arguments": arguments}
        # The moments are as near to the call as they can be: a wider interval hides what a narrow one shows.
        self._write({**begun, "start": time.monotonic()})
        try:
            output = await bounded(lambda: getattr(self._client, name)(*call.arguments), within=self._within, what=name)
            ended: dict[str, Any] = {"end": time.monotonic(), "output": encode(output)}
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            ended = {"end": time.monotonic(), "error": [type(error).__name__, str(error)]}
        except BaseException as error:
            ended = {"end": time.monotonic(), "error": [type(error).__name__, str(error)]}
        self._write({"client": self._lane.client, "call": number, **ended})

    def _write(self, entry: dict[str, Any]) -> None:
        os.write(self._log, json.dumps(entry).encode() + b"\n")


def _die_with_parent(parent: int) -> None:
    """A paused process does not see its standard input close; where the kernel offers it, it ends this one."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)
