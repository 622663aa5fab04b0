"""Every call into a target goes through here: bounded in time, recorded, its exceptions kept apart from the kit's."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from flowcraft_conformance.contract.payloads import PatchOperation
from flowcraft_conformance.harness.errors import CallTimeoutError, describe_error
from flowcraft_conformance.harness.health import Health
from flowcraft_conformance.harness.loop import bounded


@dataclass(slots=True)
class CallRecord:
    """One call as it was seen from outside. Times are monotonic seconds; ``end`` None means it never returned."""

    client: int
    name: str
    arguments: tuple[Any, ...]
    start: float
    end: float | None = None
    output: Any = None
    error: BaseException | None = None
    run_id: str = ""
    """The run whose state was called; of a store none."""
    cancelled: bool = False
    """Whether its caller was cancelled while it went on."""


class TargetRaised(Exception):
    """The target raised; ``record`` is the call and ``error`` what it raised."""

    def __init__(self, record: CallRecord, error: BaseException) -> None:
        super().__init__(f"{record.name} raised {describe_error(error)}")
        self.record = record
        self.error = error


@dataclass(slots=True)
class Recorder:
    """The calls of one example, in the order they were made."""

    within: float
    health: Health
    now: Callable[[], float] = time.monotonic
    records: list[CallRecord] = field(default_factory=list)

    async def call(self, client: int, target: Any, name: str, *arguments: Any, run_id: str = "") -> Any:
        """Make one call and record it.

        Raises:
            TargetRaised: the target raised, or did not return an awaitable.
            CallTimeoutError: the call did not return in time, or has hung too often to be made again.
        """
        record = CallRecord(client, name, arguments, self.now(), run_id=run_id)
        self.records.append(record)
        try:
            output, error = await self._make(target, name, arguments)
        except asyncio.CancelledError:
            record.cancelled = True
            raise
        output = _plain(output)
        record.end, record.output, record.error = self.now(), output, error
        if error is not None:
            raise TargetRaised(record, error) from error
        return output

    async def _make(self, target: Any, name: str, arguments: tuple[Any, ...]) -> tuple[Any, BaseException | None]:
        """The outcome of the call, within the bound."""
        within = self.health.seconds_for(name, self.within)
        started = time.monotonic()
        try:
            return await bounded(
                lambda: outcome_of(name, lambda: getattr(target, name)(*arguments)), within=within, what=name
            )
        except CallTimeoutError as hung:
            self.health.note(hung, started)
            raise


@dataclass(frozen=True, slots=True, eq=False)
class Foreign:
    """Stands for what a target returned and no contract knows: its own ``__eq__`` or ``__repr__`` may do anything."""

    type_name: str

    def __repr__(self) -> str:
        """As it is shown in a failure."""
        return f"<{self.type_name} object>"


def _plain(output: Any) -> Any:
    if output is None or isinstance(output, str | int | float | bytes | list | tuple | dict):
        return output
    if inspect.iscoroutine(output):
        output.close()  # nobody will await it
    return Foreign(type(output).__name__)


async def outcome_of(name: str, call: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """What a call of the target's code returned or raised; a SystemExit must not reach the event loop."""
    try:
        awaitable = call()
        if not inspect.isawaitable(awaitable):
            return None, TypeError(f"{name} is not async: it returned {type(awaitable).__name__} and no awaitable")
        return await awaitable, None
    except asyncio.CancelledError as error:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        return None, error
    except BaseException as error:
        return None, error


class StoreClient:
    """One recorded client of a coordination store. Return values are the target's own, unchecked: hence ``Any``."""

    def __init__(self, target: Any, recorder: Recorder, number: int) -> None:
        self.target = target
        self.recorder = recorder
        self.number = number

    async def increment(self, key: str, ttl_seconds: Any = 60) -> Any:
        """See :meth:`ICoordinationStore.increment`."""
        return await self.recorder.call(self.number, self.target, "increment", key, ttl_seconds)

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: Any = 60) -> Any:
        """See :meth:`ICoordinationStore.set_if_not_exist`."""
        return await self.recorder.call(self.number, self.target, "set_if_not_exist", key, value, ttl_seconds)

    async def extend_ttl(self, key: str, ttl_seconds: Any = 60) -> Any:
        """See :meth:`ICoordinationStore.extend_ttl`."""
        return await self.recorder.call(self.number, self.target, "extend_ttl", key, ttl_seconds)

    async def delete(self, key: str) -> Any:
        """See :meth:`ICoordinationStore.delete`."""
        return await self.recorder.call(self.number, self.target, "delete", key)

    async def get(self, key: str) -> Any:
        """See :meth:`ICoordinationStore.get`."""
        return await self.recorder.call(self.number, self.target, "get", key)


class ContextClient:
    """One recorded client of the state of one run. Return values are the target's own, unchecked: hence ``Any``."""

    def __init__(self, target: Any, recorder: Recorder, number: int, run_id: str) -> None:
        self.target = target
        self.recorder = recorder
        self.number = number
        self.run_id = run_id

    async def get(self, key: str) -> Any:
        """See :meth:`IAsyncContext.get`."""
        return await self._call("get", key)

    async def set(self, key: str, value: Any) -> Any:
        """See :meth:`IAsyncContext.set`."""
        return await self._call("set", key, value)

    async def has(self, key: str) -> Any:
        """See :meth:`IAsyncContext.has`."""
        return await self._call("has", key)

    async def delete(self, key: str) -> Any:
        """See :meth:`IAsyncContext.delete`."""
        return await self._call("delete", key)

    async def to_dict(self) -> Any:
        """See :meth:`IAsyncContext.to_dict`."""
        return await self._call("to_dict")

    async def patch(self, operations: Sequence[PatchOperation]) -> Any:
        """See :meth:`IAsyncContext.patch`."""
        return await self._call("patch", operations)

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> Any:
        """See :meth:`IGuardedContext.patch_if_absent`."""
        return await self._call("patch_if_absent", guard, operations)

    async def _call(self, name: str, *arguments: Any) -> Any:
        return await self.recorder.call(self.number, self.target, name, *arguments, run_id=self.run_id)
