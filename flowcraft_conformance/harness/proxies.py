"""The fault proxies of a run: one for each environment variable that holds a server's address."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from flowcraft_conformance.harness.addresses import Address, AddressError
from flowcraft_conformance.harness.proxy import FaultPlan, FaultProxy, Traffic

_HERE = "127.0.0.1"


@dataclass(slots=True)
class Proxies:
    """Proxies that stand in front of the servers of some variables while they are open.

    A variable that is not set yet is no error: a target may start its server when it is first built, and name it there.
    """

    _open: dict[str, FaultProxy] = field(default_factory=dict)
    _direct: dict[str, str] = field(default_factory=dict)
    _refused: dict[str, str] = field(default_factory=dict)

    def stand_before(self, variables: Iterable[str]) -> None:
        """Put a proxy in front of each variable's server, where there is none yet, and its address in the variable."""
        for variable in variables:
            if variable in self._open:
                continue
            text = os.environ.get(variable, "")
            try:
                address = Address.of(text)
                proxy = FaultProxy(address.host, address.port)
            except (AddressError, OSError) as error:
                self._refused[variable] = f"{variable}: {error}"
                continue
            self._refused.pop(variable, None)
            self._open[variable], self._direct[variable] = proxy, text
            os.environ[variable] = address.at(_HERE, proxy.port)

    def of(self, variables: Iterable[str]) -> Faults:
        """The proxies of one target's variables."""
        names = tuple(dict.fromkeys(variables))
        return Faults(
            tuple(self._open[name] for name in names if name in self._open),
            "; ".join(self._refused[name] for name in names if name in self._refused),
            {name: self._direct[name] for name in names if name in self._direct},
        )

    def close(self) -> None:
        """Close every proxy and give the variables back what they held."""
        for variable, proxy in self._open.items():
            proxy.close()
            os.environ[variable] = self._direct[variable]
        self._open.clear()


@dataclass(frozen=True, slots=True)
class Faults:
    """What can be done to the connections of one target; ``why_none`` tells of variables without a proxy."""

    proxies: tuple[FaultProxy, ...] = ()
    why_none: str = ""
    direct: dict[str, str] = field(default_factory=dict)
    """Variable -> the address without the proxy."""

    def plan(self, plan: FaultPlan) -> None:
        """Do this to every connection from now on."""
        for proxy in self.proxies:
            proxy.plan(plan)

    @contextmanager
    def during(self, plan: FaultPlan) -> Iterator[None]:
        """Do this to every connection inside the block, and let everything through again behind it."""
        self.plan(plan)
        try:
            yield
        finally:
            self.plan(FaultPlan())

    @contextmanager
    def bypassed(self) -> Iterator[None]:
        """Inside the block the variables hold the servers' own addresses: who connects there is not slowed down."""
        proxied = {name: os.environ[name] for name in self.direct if name in os.environ}
        os.environ.update(self.direct)
        try:
            yield
        finally:
            os.environ.update(proxied)

    @property
    def traffic(self) -> Traffic:
        """What went through all of them so far."""
        counted = [proxy.traffic for proxy in self.proxies]
        return Traffic(
            sum(one.sent for one in counted),
            sum(one.received for one in counted),
            sum(one.connections for one in counted),
        )
