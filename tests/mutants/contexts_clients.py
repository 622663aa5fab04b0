"""Contexts that are each wrong in one way where several clients, or much data, meet; see ``contexts``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any, ClassVar

from flowcraft_conformance import PatchOperation, SetOp
from reference_adapters._json import encode
from reference_adapters.memory import MemoryContext
from tests.mutants.contexts import MutantContext, mutants_in


class WritesLater(MutantContext):
    breaks = "CTX-RUN-01"

    async def set(self, key: str, value: Any) -> None:
        encode(value)
        asyncio.get_running_loop().call_later(0.005, lambda: asyncio.ensure_future(MemoryContext.set(self, key, value)))


class KeepsItsOwnCopy(MutantContext):
    breaks = "CTX-RUN-01"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.seen: dict[str, Any] | None = None

    async def to_dict(self) -> dict[str, Any]:
        if self.seen is None:
            self.seen = await super().to_dict()
        return dict(self.seen)


class WritesTheWholeState(MutantContext):
    breaks = "CTX-RACE-01"

    async def set(self, key: str, value: Any) -> None:
        state = await self.to_dict()
        await asyncio.sleep(0)
        await super().patch([SetOp(name, old) for name, old in state.items()] + [SetOp(key, value)])
        self.backend.runs[self._run_id] = {name: encode(old) for name, old in {**state, key: value}.items()}


class FirstWritersReplaceEachOther(MutantContext):
    breaks = "CTX-RACE-01"

    async def set(self, key: str, value: Any) -> None:
        is_new = self._run_id not in self.backend.runs
        await asyncio.sleep(0)
        if is_new:
            self.backend.runs[self._run_id] = {}
        await super().set(key, value)


class SetsInTwoSteps(MutantContext):
    breaks = "CTX-RACE-02"

    async def set(self, key: str, value: Any) -> None:
        text = encode(value)
        await self.delete(key)
        await asyncio.sleep(0)
        self._write({key: text})


class LastWriterWinsByItsOwnClock(MutantContext):
    """The clock of every second client is ahead: a write that follows one of it is dropped."""

    breaks = "CTX-RACE-02"
    stamps: ClassVar[dict[tuple[str, str], float]] = {}
    made: ClassVar[int] = 0

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        type(self).made += 1
        self.ahead = 0.05 * (self.made % 2)

    async def set(self, key: str, value: Any) -> None:
        stamp = time.monotonic() + self.ahead
        await asyncio.sleep(0)
        if stamp > self.stamps.get((self._run_id, key), 0.0):
            self.stamps[self._run_id, key] = stamp
            await super().set(key, value)


class AcknowledgesBeforeItIsVisible(MutantContext):
    breaks = "CTX-RACE-03"

    async def set(self, key: str, value: Any) -> None:
        text = encode(value)
        asyncio.get_running_loop().call_soon(lambda: self._write({key: text}))

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        for operation in operations:
            if isinstance(operation, SetOp):
                await self.set(operation.key, operation.value)
            else:
                self._write({operation.key: None})


class CutsLongValues(MutantContext):
    breaks = "CTX-SIZE-01"

    async def set(self, key: str, value: Any) -> None:
        await super().set(key, value[:60_000] if isinstance(value, str) else value)


class RefusesLongValues(MutantContext):
    """Declares no limit and has one, in bytes of JSON with all other characters escaped."""

    breaks = "CTX-SIZE-01"

    async def set(self, key: str, value: Any) -> None:
        if len(encode(value)) > 70_000:
            raise ValueError("too long")
        await super().set(key, value)


class ReadsOnePage(MutantContext):
    breaks = "CTX-SIZE-01"

    async def to_dict(self) -> dict[str, Any]:
        return dict(list((await super().to_dict()).items())[:100])


CLIENTS = mutants_in(__name__)
