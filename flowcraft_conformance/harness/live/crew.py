"""Processes that work on an adapter's queue: started, watched by their logs, killed, stopped and replaced."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

from flowcraft_conformance.contract.blueprint import WorkflowBlueprint
from flowcraft_conformance.contract.verdicts import Inconclusive
from flowcraft_conformance.harness.live.fates import Fate
from flowcraft_conformance.harness.workers.process import WorkerError, WorkerOrder, WorkerProcess

_REST_SECONDS = 10.0


class Member:
    """One process of a crew."""

    def __init__(self, order: WorkerOrder, folder: Path, name: str) -> None:
        self.name = name
        self.entries: list[dict[str, Any]] = []
        """What it has noted so far."""
        self.command: dict[str, Any] = {}
        self._process = WorkerProcess(order, folder, name)

    @property
    def alive(self) -> bool:
        """Whether the process is there."""
        return self._process.alive

    async def work(self, scope: str, within: float, **more: Any) -> None:
        """Have it take jobs of a scope, and wait until it does.

        Raises:
            WorkerError: it could not.
        """
        self.command = {"do": "work", "scope": scope, **more}
        self._process.tell(self.command)
        await asyncio.to_thread(self._process.answer, within)

    async def ready(self) -> None:
        """Wait until the target is imported; raises WorkerError where it cannot be."""
        await asyncio.to_thread(self._process.wait_until_ready)

    async def rest(self) -> bool:
        """Have it close its adapters; whether it did."""
        self._process.tell({"do": "rest"})
        try:
            await asyncio.to_thread(self._process.answer, _REST_SECONDS)
        except WorkerError:
            return False
        return True

    def look(self) -> list[dict[str, Any]]:
        """All that it has noted so far."""
        self.entries += self._process.new_entries()
        return self.entries

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()

    def wake(self) -> None:
        """SIGCONT."""
        self._process.signal(signal.SIGCONT)


class Crew:
    """The processes of one adapter. Those that are free are used again; those that died are not."""

    def __init__(self, order: WorkerOrder) -> None:
        self._order = order
        self._folder: Path | None = None
        self._free: list[Member] = []
        self._all: list[Member] = []

    @property
    def folder(self) -> Path:
        """Where logs and tokens are, for as long as the crew is open."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="flowcraft-crew-"))
        return self._folder

    async def hire(self, count: int) -> list[Member]:
        """So many processes that have nothing to do.

        Raises:
            WorkerError: one could not be started.
        """
        hired = [member for member in self._free if member.alive][:count]
        self._free = [member for member in self._free if member not in hired]
        fresh = []
        for _ in range(count - len(hired)):
            fresh.append(Member(self._order, self.folder, f"process {len(self._all)}"))
            self._all.append(fresh[-1])
        for member in fresh:
            await member.ready()
        for member in hired:
            member.look()
            member.entries.clear()
        return [*hired, *fresh]

    async def release(self, members: Iterable[Member]) -> None:
        """Close what they work on; who does not obey is ended."""
        for member in members:
            member.wake()
            if member.alive and await member.rest():
                self._free.append(member)
            else:
                member.kill()

    def close(self) -> None:
        """End them all and remove what they logged."""
        for member in self._all:
            member.kill()
        self._all.clear()
        self._free.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def flow_command(blueprints: Iterable[WorkflowBlueprint], fates: Iterable[Fate] = ()) -> dict[str, Any]:
    """What a member is told that is to run workflows."""
    return {"blueprints": [one.to_dict() for one in blueprints], "fates": [fate.to_json() for fate in fates]}


@contextlib.asynccontextmanager
async def at_work(crew: Crew, count: int, scope: str, within: float, **command: Any) -> AsyncIterator[list[Member]]:
    """So many processes that take jobs of a scope, and rest behind the block.

    Raises:
        Inconclusive: one could not be started.
    """
    try:
        members = await crew.hire(count)
    except WorkerError as error:
        raise Inconclusive(str(error)) from None
    try:
        try:
            await asyncio.gather(*[member.work(scope, within, **command) for member in members])
        except WorkerError as error:
            raise Inconclusive(str(error)) from None
        yield members
    finally:
        await crew.release(members)
