"""Contexts in files that are wrong between processes only: within one of them nothing shows."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from flowcraft_conformance import PatchOperation, SetOp
from tests.right.contexts_files import FileContext, apply, require_json

_locks: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Path, asyncio.Lock]] = WeakKeyDictionary()


_ROUND_TRIP = 0.0005


class FileMutant(FileContext):
    """A right context to be broken."""

    breaks: ClassVar[str]


@asynccontextmanager
async def _in_this_process(path: Path) -> AsyncIterator[None]:
    async with _locks.setdefault(asyncio.get_running_loop(), {}).setdefault(path, asyncio.Lock()):
        yield


class LocksInItsOwnProcess(FileMutant):
    """Reads, changes and writes the document under a lock that no other process knows."""

    breaks = "CTX-RACE-01"

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        async with _in_this_process(self.path):
            yield


class SetsUnderTheFileLockAndPatchesUnderItsOwn(FileMutant):
    breaks = "PATCH-RACE-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        require_json(operations)
        async with _in_this_process(self.path):
            state = self.read()
            apply(state, operations)
            self.write(state)

    async def set(self, key: str, value: Any) -> None:
        require_json([SetOp(key, value)])
        await self.update(lambda state: apply(state, [SetOp(key, value)]))


class LooksAtTheGuardInItsOwnProcess(FileMutant):
    breaks = "PATCH-GUARD-01"

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        async with _in_this_process(self.path):
            if await self.has(guard):
                return False
            await self.patch(operations)
            return True


class DeletesWhatItSawInItsOwnProcess(FileMutant):
    """Two processes that delete one key are both told that it existed."""

    breaks = "CTX-RACE-02"

    async def delete(self, key: str) -> bool:
        async with _in_this_process(self.path):
            existed = await self.has(key)
            await asyncio.sleep(_ROUND_TRIP)
            await super().delete(key)
            return existed


class CachesReadsForAMoment(FileMutant):
    """Its own writes clear the cache, those of other processes do not."""

    breaks = "CTX-RUN-01"
    seconds: ClassVar[float] = 0.2
    cache: ClassVar[dict[Path, tuple[float, str]]] = {}

    def read(self) -> dict[str, Any]:
        until, text = self.cache.get(self.path, (0.0, ""))
        if time.monotonic() > until:
            text = json.dumps(super().read())
            self.cache[self.path] = (time.monotonic() + self.seconds, text)
        state: dict[str, Any] = json.loads(text)
        return state

    def write(self, state: dict[str, Any]) -> None:
        super().write(state)
        self.cache.pop(self.path, None)

    @asynccontextmanager
    async def locked(self) -> AsyncIterator[None]:
        async with super().locked():
            self.cache.pop(self.path, None)
            yield


class CachesOutputs(FileMutant):
    """An output is written once, so that a process which has read one need not read it again: in a loop it is not."""

    breaks = "CTX-RUN-01"
    cache: ClassVar[dict[tuple[Path, str], Any]] = {}

    async def get(self, key: str) -> Any:
        if not key.startswith("_outputs."):
            return await super().get(key)
        if (self.path, key) not in self.cache and (value := await super().get(key)) is not None:
            self.cache[self.path, key] = value
        return copy.deepcopy(self.cache.get((self.path, key)))

    def write(self, state: dict[str, Any]) -> None:
        super().write(state)
        self.cache.clear()


class FlushesLater(FileMutant):
    """A write is seen at once in its own process, and by the others soon after it was acknowledged."""

    breaks = "CTX-RACE-03"
    pending: ClassVar[dict[Path, list[PatchOperation]]] = {}

    def read(self) -> dict[str, Any]:
        state = super().read()
        apply(state, self.pending.get(self.path, []))
        return state

    def write(self, state: dict[str, Any]) -> None:
        super().write(state)
        self.pending.pop(self.path, None)

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        require_json(operations)
        self.pending.setdefault(self.path, []).extend(copy.deepcopy(list(operations)))
        asyncio.get_running_loop().call_later(0.0005, lambda: asyncio.ensure_future(self.update(lambda state: None)))


class WritesTwoFiles(FileMutant):
    """One half of the keys in a file of its own, written later; a lock hides it from readers of the same process."""

    breaks = "PATCH-ATOM-02"

    def read(self) -> dict[str, Any]:
        state = super().read()
        second = self.path.with_suffix(".second")
        if second.exists():
            state |= json.loads(second.read_bytes())
        return state

    def write(self, state: dict[str, Any]) -> None:
        super().write({key: value for key, value in state.items() if not key.startswith("z")})
        time.sleep(_ROUND_TRIP)
        written = self.path.with_suffix(".writing")
        written.write_text(json.dumps({key: value for key, value in state.items() if key.startswith("z")}))
        written.replace(self.path.with_suffix(".second"))


class ShortensItsLogUnlocked(FileMutant):
    """A log of changes beside the document: who finds it long writes it into the document, as it was a moment ago."""

    breaks = "PATCH-RACE-01"
    _LONG = 100

    def _log(self) -> Path:
        return self.path.with_suffix(".log")

    def read(self) -> dict[str, Any]:
        state = super().read()
        for line in self._lines():
            state |= json.loads(line)
        return state

    def _lines(self) -> list[str]:
        return self._log().read_text().splitlines() if self._log().exists() else []

    def write(self, state: dict[str, Any]) -> None:
        super().write(state)
        self._log().unlink(missing_ok=True)

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        require_json(operations)
        if any(not isinstance(one, SetOp) for one in operations):
            await super().patch(operations)
            return
        async with self.locked():
            with self._log().open("a") as log:
                log.write(json.dumps({one.key: one.value for one in operations if isinstance(one, SetOp)}) + "\n")
            if len(self._lines()) < self._LONG:
                return
            state = self.read()
        await asyncio.sleep(_ROUND_TRIP)
        async with self.locked():
            self.write(state)


FILES = [found for found in FileMutant.__subclasses__() if "breaks" in vars(found)]
