"""What a target declares about itself: its limits, and the optional parts it offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import isfinite
from typing import Any

MAX_TTL_GRANULARITY = 1.0
MAX_TTL_LAG = 5.0
MIN_VALUE_BYTES = 64 * 1024
MIN_PATCH_OPERATIONS = 25
MAX_SECONDS = 7 * 24 * 3600.0


class CapabilityError(ValueError):
    """A declaration that the contract does not allow; the text says what is allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """Declared limits and optional features. All times in seconds, all sizes in bytes.

    Each capability excuses only the clauses that name it; DLV-* and PATCH-ATOM-01 are never excused.

    Raises:
        CapabilityError: a value outside of what the contract allows.
    """

    processes: bool | None = None
    """Several processes share the backend; None: found out by asking a second process."""
    ttl_granularity: float = 1.0
    """A key may expire this much early."""
    ttl_lag: float = 1.0
    """A key may stay visible this much after its TTL."""
    call_timeout_seconds: float = 30.0
    """Every call ends within this time, with the backend silent too."""
    lease_seconds: float = 30.0
    """How long the queue leaves a job with a silent worker."""
    redelivery_seconds: float = 60.0
    """How long until the job of a dead worker comes back."""
    queue_attempts: int | None = None
    """How often a failing job is delivered; None: without bound."""
    max_value_bytes: int | None = None
    """The largest value, as the length of its JSON text in UTF-8."""
    max_patch_operations: int | None = None
    """The most operations one patch may have."""
    delta_persistence: bool = True
    """The cost of a patch depends on the patch, not on the size of the state."""
    snapshot_reads: bool = True
    """to_dict is one snapshot."""
    webhooks: bool = False
    """register_webhook_endpoint gives an address that works."""
    proxy_env: tuple[str, ...] = ()
    """Environment variables that hold a server's address, for the fault proxy."""

    def __post_init__(self) -> None:
        """Refuse what the contract does not allow."""
        _within("ttl_granularity", self.ttl_granularity, 0, MAX_TTL_GRANULARITY)
        _within("ttl_lag", self.ttl_lag, 0, MAX_TTL_LAG)
        for name in ("call_timeout_seconds", "lease_seconds", "redelivery_seconds"):
            _above_zero(name, getattr(self, name), MAX_SECONDS)
        _at_least("max_value_bytes", self.max_value_bytes, MIN_VALUE_BYTES)
        _at_least("max_patch_operations", self.max_patch_operations, MIN_PATCH_OPERATIONS)
        _at_least("queue_attempts", self.queue_attempts, 1)
        if self.processes is not None:
            _flag("processes", self.processes)
        for name in ("delta_persistence", "snapshot_reads", "webhooks"):
            _flag(name, getattr(self, name))
        _names("proxy_env", self.proxy_env)

    @classmethod
    def of(cls, declared: object) -> Capabilities:
        """Capabilities from what a target carries: None, a Capabilities, or a mapping with its names.

        Raises:
            CapabilityError: an unknown name, a wrong value, or an object that is neither.
        """
        if declared is None:
            return cls()
        if isinstance(declared, cls):
            return declared
        if not isinstance(declared, Mapping):
            raise CapabilityError(f"capabilities is a Capabilities or a mapping, this is {type(declared).__name__}")
        known = {field.name for field in fields(cls)}
        if unknown := sorted(str(name) for name in declared if name not in known):
            raise CapabilityError(f"unknown capability {', '.join(unknown)}; known are {', '.join(sorted(known))}")
        values: dict[str, Any] = dict(declared)
        if isinstance(values.get("proxy_env"), list):
            values["proxy_env"] = tuple(values["proxy_env"])
        return cls(**values)


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CapabilityError(f"{name} is a number, this is {value!r}")
    if not isfinite(value):
        raise CapabilityError(f"{name} is a finite number, this is {value!r}")
    return value


def _within(name: str, value: object, low: float, high: float) -> None:
    if not low <= _number(name, value) <= high:
        raise CapabilityError(f"{name} is between {low:g} and {high:g}, this is {value!r}")


def _above_zero(name: str, value: object, high: float) -> None:
    if not 0 < _number(name, value) <= high:
        raise CapabilityError(f"{name} is more than 0 and at most {high:g}, this is {value!r}")


def _at_least(name: str, value: object, low: int) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise CapabilityError(f"{name} is None or a whole number from {low}, this is {value!r}")


def _flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise CapabilityError(f"{name} is True or False, this is {value!r}")


def _names(name: str, value: object) -> None:
    if not isinstance(value, tuple) or not all(isinstance(part, str) for part in value):
        raise CapabilityError(f"{name} is a tuple of names of environment variables, this is {value!r}")
