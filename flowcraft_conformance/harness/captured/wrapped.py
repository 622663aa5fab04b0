"""Store, context, clock and bus as a worker of a captured run sees them: every call passes the world's gate."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from flowcraft_conformance.contract.payloads import DeleteOp, NodeContext, PatchOperation
from flowcraft_conformance.contract.protocols import IAsyncContext, ICoordinationStore, NodeFunction
from flowcraft_conformance.harness.captured.records import InjectedError
from flowcraft_conformance.harness.nodes import execution_name

if TYPE_CHECKING:
    from flowcraft_conformance.harness.captured.worker import Worker


class WrappedStore:
    """A coordination store whose keys expire on the world's time, whatever time the real one keeps."""

    def __init__(self, inner: ICoordinationStore, worker: Worker) -> None:
        self._inner = inner
        self._worker = worker

    async def increment(self, key: str, ttl_seconds: int) -> int:
        """Passed on."""

        async def call() -> int:
            count = await self._inner.increment(key, ttl_seconds)
            self._arm(key, ttl_seconds)
            return count

        return int(await self._call("increment", key, call))

    async def set_if_not_exist(self, key: str, value: str, ttl_seconds: int) -> bool:
        """Passed on."""

        async def call() -> bool:
            won = await self._inner.set_if_not_exist(key, value, ttl_seconds)
            if won:
                self._arm(key, ttl_seconds)
            return won

        return bool(await self._call("set_if_not_exist", key, call))

    async def extend_ttl(self, key: str, ttl_seconds: int) -> bool:
        """Passed on."""

        async def call() -> bool:
            there = await self._inner.extend_ttl(key, ttl_seconds)
            if there:
                self._arm(key, ttl_seconds)
            return there

        return bool(await self._call("extend_ttl", key, call))

    async def delete(self, key: str) -> None:
        """Passed on."""

        async def call() -> None:
            await self._inner.delete(key)
            with self._worker.world.blame.kit:
                self._worker.world.keys.forget(key)

        await self._call("delete", key, call)

    async def get(self, key: str) -> str | None:
        """Passed on."""
        value: str | None = await self._call("get", key, lambda: self._inner.get(key))
        return value

    def _arm(self, key: str, ttl_seconds: int) -> None:
        seconds = float(ttl_seconds)  # what is no number is its caller's mistake, and raises before the kit's own code
        with self._worker.world.blame.kit:
            self._worker.world.keys.arm(key, seconds)

    async def _call(self, name: str, key: str, call: Callable[[], Any]) -> Any:
        return await self._worker.call("store", name, key, call, expiring=True)


class WrappedContext:
    """The state of a run."""

    def __init__(self, inner: IAsyncContext, worker: Worker) -> None:
        self._inner = inner
        self._worker = worker

    async def get(self, key: str) -> Any:
        """Passed on."""
        return await self._worker.call("context", "get", key, lambda: self._inner.get(key))

    async def set(self, key: str, value: Any) -> None:
        """Passed on."""
        await self._worker.call("context", "set", key, lambda: self._inner.set(key, value))

    async def has(self, key: str) -> bool:
        """Passed on."""
        return bool(await self._worker.call("context", "has", key, lambda: self._inner.has(key)))

    async def delete(self, key: str) -> bool:
        """Passed on."""
        return bool(await self._worker.call("context", "delete", key, lambda: self._inner.delete(key)))

    async def to_dict(self) -> dict[str, Any]:
        """Passed on."""
        state: dict[str, Any] = await self._worker.call("context", "to_dict", "", self._inner.to_dict)
        return state

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        """Passed on."""
        await self._worker.call("context", "patch", _keys_of(operations), lambda: self._inner.patch(operations))


class WrappedGuardedContext(WrappedContext):
    """The same where the adapter's context offers a guarded patch."""

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        """Passed on."""
        guarded = self._inner.patch_if_absent  # type: ignore[attr-defined]
        call = self._worker.call("context", "patch_if_absent", guard, lambda: guarded(guard, operations))
        return bool(await call)


def wrap_context(inner: IAsyncContext, worker: Worker) -> IAsyncContext:
    """The wrapper that offers what the context offers."""
    kind = WrappedGuardedContext if hasattr(inner, "patch_if_absent") else WrappedContext
    return kind(inner, worker)


def _keys_of(operations: Sequence[PatchOperation]) -> str:
    return ", ".join(("-" if isinstance(one, DeleteOp) else "") + one.key for one in operations[:3])


class WrappedClock:
    """The world's time as a worker sees it: one that is dead or stands still does not wake up."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    def monotonic(self) -> float:
        """The world's time."""
        return self._worker.world.clock.monotonic()

    def time(self) -> float:
        """The world's time."""
        return self._worker.world.clock.time()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the world's time."""
        await self._worker.call("clock", "sleep", f"{seconds:g} s", lambda: self._worker.world.clock.sleep(seconds))
        await self._worker.alive()


class WrappedBus:
    """An event bus that notes what it is told."""

    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    async def emit(self, event: str, payload: Mapping[str, Any]) -> None:
        """Note one event."""
        copy = dict(payload)

        async def note() -> None:
            if self._worker.world.scenario.dead_bus:
                raise InjectedError("the event bus is down")
            self._worker.world.events.append((event, copy))

        await self._worker.call("bus", "emit", event, note)


def wrap_node(uses: str, function: NodeFunction, worker: Worker) -> NodeFunction:
    """A node function whose executions are noted with their inputs."""

    async def noted(given: NodeContext) -> Any:
        name = execution_name(uses, given)
        with worker.world.blame.kit:
            await worker.world.note_execution(worker, name, given)
        return await worker.call("node", "run", name, lambda: function(given))

    return noted
