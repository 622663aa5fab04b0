"""Names of coordination keys and context keys: upstream's, with ids escaped so that two pairs never share a key."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

_PLAIN_LIMIT = 160
"""Bytes of an escaped id that stay readable; with two ids and the longest prefix a key stays below 512 bytes."""

_READABLE = 64
CONTEXT_KEY_LIMIT = 255
"""Bytes of a context key that every context takes (CTX-KEY-01)."""
_READABLE_KEY = 160
_SURELY_SHORT = CONTEXT_KEY_LIMIT // 4
_SHORTENED = "%~"
_LOOKS_SHORTENED = re.compile(r"%~[0-9a-f]{64}$")


def escape_id(identifier: str) -> str:
    """An id as a part of a key: injective, free of ``:``, at most 160 characters.

    Plain ids stay as they are. ``%`` and ``:`` are percent-encoded, as are control characters and lone surrogates,
    which some backends refuse. A very long id becomes its beginning, ``%~`` and the SHA-256 of the whole; no escaped
    id contains ``%~``, so the two kinds never meet.
    """
    escaped = "".join(_escape_character(character) for character in identifier)
    if len(escaped.encode()) <= _PLAIN_LIMIT:
        return escaped
    digest = hashlib.sha256(escaped.encode()).hexdigest()
    readable = escaped.encode()[:_READABLE].decode(errors="ignore")
    return f"{readable}%~{digest}"


def short_context_key(key: str) -> str:
    """A context key within the 255 bytes that every context takes (CTX-KEY-01).

    A key of the runtime's own, one that begins with ``_``, becomes its beginning, ``%~`` and the SHA-256 of the whole
    where it is longer; so does one that looks as if it had been shortened, so that the two kinds never meet. Any other
    key is its author's, and stays as it is.
    """
    if not key.startswith("_") or (len(key) <= _SURELY_SHORT and _SHORTENED not in key):
        return key
    encoded = key.encode(errors="surrogatepass")
    if len(encoded) <= CONTEXT_KEY_LIMIT and not _LOOKS_SHORTENED.search(key):
        return key
    readable = encoded[:_READABLE_KEY].decode(errors="ignore")
    return f"{readable}{_SHORTENED}{hashlib.sha256(encoded).hexdigest()}"


def _escape_character(character: str) -> str:
    code = ord(character)
    if character in "%:" or code < 0x20 or code == 0x7F:
        return f"%{code:02X}"
    if 0xD800 <= code <= 0xDFFF:
        return f"%u{code:04X}"
    return character


@dataclass(frozen=True, slots=True)
class CoordinationKeys:
    """The coordination keys of one run."""

    run_id: str

    def fanin(self, node_id: str) -> str:
        """Arrivals at an ``all`` join."""
        return self._key("fanin", node_id)

    def joinlock(self, node_id: str) -> str:
        """The winner of an ``any`` join."""
        return self._key("joinlock", node_id)

    def poison(self, node_id: str) -> str:
        """A join that can no longer run because a predecessor failed."""
        return self._key("fanin:poison", node_id)

    def cancel(self, node_id: str) -> str:
        """A join that was cancelled."""
        return self._key("fanin:cancel", node_id)

    def nodelock(self, node_id: str) -> str:
        """The lease of the worker that executes the node."""
        return self._key("nodelock", node_id)

    def final(self) -> str:
        """Who publishes the end of the run."""
        return f"flowcraft:final:{escape_id(self.run_id)}"

    def blueprint(self) -> str:
        """The blueprint a run belongs to."""
        return f"flowcraft:blueprint:{escape_id(self.run_id)}"

    def _key(self, kind: str, node_id: str) -> str:
        return f"flowcraft:{kind}:{escape_id(self.run_id)}:{escape_id(node_id)}"


BLUEPRINT_ID = "blueprintId"
BLUEPRINT_VERSION = "blueprintVersion"
AWAITING_NODE_IDS = "_awaitingNodeIds"
AWAITING_DETAILS = "_awaitingDetails"
RESUME_ACTION = "_resume.action"
RESUME_OUTPUT = "_resume.output"
OUTPUTS_PREFIX = "_outputs."
INPUTS_PREFIX = "_inputs."


def output_key(node_id: str) -> str:
    """The context key of a node's output."""
    return OUTPUTS_PREFIX + node_id


def input_key(node_id: str) -> str:
    """The context key of a node's stored input."""
    return INPUTS_PREFIX + node_id
