"""Contexts that are each wrong at a size, below the surface or after a failure only; see ``contexts``."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from typing import Any

from flowcraft_conformance import PatchOperation, SetOp
from reference_adapters._json import encode, encode_patch
from tests.mutants.contexts import MutantContext, mutants_in


class NamesBelowBecomeText(MutantContext):
    """Names are looked at in the outermost object only; below, json.dumps makes text of numbers."""

    breaks = "CTX-SET-04"

    async def set(self, key: str, value: Any) -> None:
        try:
            text = encode(value)
        except TypeError:
            if not isinstance(value, dict) or any(type(name) is not str for name in value):
                raise
            text = json.dumps(value, allow_nan=False).encode()
        self._write({key: text})


class LargeValuesAreParsedOnce(MutantContext):
    """What was costly to parse is kept, and handed out again."""

    breaks = "CTX-SET-05"

    async def get(self, key: str) -> Any:
        text = self._state().get(key)
        return None if text is None else (_parsed if len(text) > 2000 else json.loads)(text)


class LargePatchesGoInParts(MutantContext):
    """Each part is checked when its turn comes."""

    breaks = "PATCH-ATOM-01"

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        for first in range(0, len(operations), 500):
            await super().patch(operations[first : first + 500])


class WhatWasRefusedIsWrittenLater(MutantContext):
    """Changes are gathered in the client; those of a refused patch go with its next one."""

    breaks = "PATCH-ATOM-01"

    def __init__(self, run_id: str) -> None:
        super().__init__(run_id)
        self.gathered: dict[str, bytes | None] = {}

    async def patch(self, operations: Sequence[PatchOperation]) -> None:
        for operation in operations:
            self.gathered |= encode_patch([operation])
        changes, self.gathered = self.gathered, {}
        self._write(changes)


class LeavesItsGuardBehind(MutantContext):
    """The guard is set first, as a lock is, whatever the operations are."""

    breaks = "PATCH-GUARD-01"

    async def patch_if_absent(self, guard: str, operations: Sequence[PatchOperation]) -> bool:
        return await super().patch_if_absent(guard, [SetOp(guard, True), *operations])


@functools.lru_cache(maxsize=64)
def _parsed(text: bytes) -> Any:
    return json.loads(text)


RARELY = mutants_in(__name__)
