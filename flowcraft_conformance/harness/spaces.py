"""The spaces of coordination stores and of contexts: clients under names that no other example uses."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from flowcraft_conformance.contract.capabilities import MIN_PATCH_OPERATIONS
from flowcraft_conformance.contract.payloads import DeleteOp
from flowcraft_conformance.harness.bench import Bench, Space, clean_quietly
from flowcraft_conformance.harness.calls import ContextClient, StoreClient
from flowcraft_conformance.harness.evidence import SEPARATOR

_CLEANED_AT_ONCE = 8
_STORE_CALLS_ON_KEYS = {"increment", "set_if_not_exist", "extend_ttl", "delete", "get"}


class StoreSpace(Space):
    """A corner of a coordination store: keys under a fresh prefix."""

    def key(self, name: str = "k") -> str:
        """A key that only this example uses."""
        return f"{self.name}{SEPARATOR}{name}"

    async def client(self, number: int = 0) -> StoreClient:
        """The recorded client with this number; different numbers are different clients of one store."""
        return StoreClient(await self.target(number), self.recorder, number)

    async def clients(self, count: int) -> list[StoreClient]:
        """So many clients."""
        return [await self.client(number) for number in range(count)]

    async def touch(self) -> None:
        """Set a key and look at it."""
        client = await self.client()
        await client.set_if_not_exist(self.key(), "touched", 60)
        await client.get(self.key())

    async def clean(self) -> None:
        """Delete every key that was touched."""
        touched = {record.arguments[0] for record in self.recorder.records if record.name in _STORE_CALLS_ON_KEYS}
        health = self.recorder.health
        if self._clients and health.cleans and not health.hung_call:
            store = next(iter(self._clients.values()))
            health.cleans = await clean_quietly([partial(store.delete, key) for key in touched])


class ContextSpace(Space):
    """A corner of the contexts: runs under fresh ids."""

    def __init__(self, bench: Bench[Any], stack: AsyncExitStack, clients: dict[Any, Any]) -> None:
        super().__init__(bench, stack, clients)
        self._runs: set[str] = set()

    def run_id(self, name: str = "run") -> str:
        """A run id that only this example uses."""
        return f"{self.name}-{name}"

    async def client(self, run_id: str | None = None, number: int = 0) -> ContextClient:
        """The recorded client with this number of a run; by default of the example's one run."""
        run = run_id if run_id is not None else self.run_id()
        self._runs.add(run)
        return ContextClient(await self.target((run, number), run), self.recorder, number, run)

    async def clients(self, count: int, run_id: str | None = None) -> list[ContextClient]:
        """So many clients of one run."""
        return [await self.client(run_id, number) for number in range(count)]

    async def touch(self) -> None:
        """Set a key and look at it."""
        client = await self.client()
        await client.set("k", "touched")
        await client.get("k")

    async def clean(self) -> None:
        """Delete every key of every run that was touched."""
        health = self.recorder.health
        contexts = {identity[0]: client for identity, client in reversed(self._clients.items())}
        touched = [contexts[run] for run in self._runs if run in contexts]
        for start in range(0, len(touched), _CLEANED_AT_ONCE):
            if health.cleans and not health.hung_call:
                cleaned = await asyncio.gather(*map(_empty, touched[start : start + _CLEANED_AT_ONCE]))
                health.cleans = all(cleaned)


async def _empty(context: Any) -> bool:
    """Delete every key of one run: by patches, and singly what they leave. One call at a time keeps connections few."""
    keys = await _keys_of(context)
    for start in range(0, len(keys or ()), MIN_PATCH_OPERATIONS):
        deletes = [DeleteOp(key) for key in (keys or ())[start : start + MIN_PATCH_OPERATIONS]]
        if not await clean_quietly([partial(context.patch, deletes)]):
            return False
    left = await _keys_of(context) if keys else keys
    return left is not None and await clean_quietly([partial(context.delete, key) for key in left])


async def _keys_of(context: Any) -> list[str] | None:
    """The keys of a run as far as it tells them; None where it does not answer."""
    found: list[str] = []

    async def look() -> None:
        found.extend(await context.to_dict())

    return found if await clean_quietly([look]) else None


class StoreBench(Bench[StoreSpace]):
    """Checks against a coordination store; the factory takes no argument. Clients stay open between examples."""

    clients_outlive_examples = True

    def _space(self, stack: AsyncExitStack, clients: dict[Any, Any]) -> StoreSpace:
        return StoreSpace(self, stack, clients)


class ContextBench(Bench[ContextSpace]):
    """Checks against contexts; the factory takes the run id. Every example has its own runs and clients."""

    clients_outlive_examples = False

    def _space(self, stack: AsyncExitStack, clients: dict[Any, Any]) -> ContextSpace:
        return ContextSpace(self, stack, clients)
