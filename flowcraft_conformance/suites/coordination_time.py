"""Time to live: programs of every clause share one wait, and each clause is judged by its own programs."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Iterator

from flowcraft_conformance.contract.verdicts import ClauseViolation, Inconclusive
from flowcraft_conformance.harness.calls import TargetRaised
from flowcraft_conformance.harness.spaces import StoreBench
from flowcraft_conformance.harness.timetable import Program, ProgramResult, ProgramRun, run_programs
from flowcraft_conformance.suites.suite import checks

_PROBES = ("get", "set_if_not_exist", "increment", "extend_ttl", "delete")
_SHORT_OR_INVALID_TTLS = (1, 2, 0, -1, -3600, 0.4, 1.5, True, float("nan"), float("inf"), "1", None)
_LONG_TTLS = (10, 60, 120, 3600, 86_400, 7 * 86_400)
"""Seconds, up to the longest that may be asked for."""
_RACERS = 6


async def _arm(run: ProgramRun, how: str, ttl: object, *, key: str = "k", client: int = 0) -> None:
    if how == "increment":
        await run.call("increment", ttl, key=key, client=client)
    else:
        await run.call("set_if_not_exist", "v", ttl, key=key, client=client)


async def _probe(run: ProgramRun, how: str, *, key: str = "k", client: int = 1) -> None:
    ttl = run.times.short
    arguments = {"set_if_not_exist": ("w", ttl), "increment": (ttl,), "extend_ttl": (ttl,)}.get(how, ())
    await run.call(how, *arguments, key=key, client=client)
    if how == "delete":  # it returns nothing: look at what it left
        await run.call("get", key=key, client=client)


def _present_for_its_ttl(dice: random.Random) -> Program:
    how, probe, ttl_name = dice.choice(("increment", "set")), dice.choice(_PROBES[:4]), dice.choice(("short", "long"))

    async def program(run: ProgramRun) -> None:
        ttl = getattr(run.times, ttl_name)
        await _arm(run, how, ttl)
        await run.at(run.times.kept(0, ttl) * dice.uniform(0.3, 1))
        await run.call("get", client=1)
        await run.at(run.times.kept(0, ttl))
        # A string cannot be incremented: that it is still there shows in the others.
        await _probe(run, "get" if how == "set" and probe == "increment" else probe)

    return program


def _present_for_a_long_ttl(dice: random.Random) -> Program:
    how, ttl = dice.choice(("increment", "set", "extend_ttl")), dice.choice(_LONG_TTLS)

    async def program(run: ProgramRun) -> None:
        await _arm(run, "set" if how == "extend_ttl" else how, run.times.short if how == "extend_ttl" else ttl)
        if how == "extend_ttl":
            await run.call("extend_ttl", ttl, client=1)
        await run.at(run.times.gone(0, run.times.short))
        await run.call("get", client=1)
        if run.times.may_jump:
            await run.at(run.times.kept(0, ttl))
            await run.call("get")

    return program


def _absent_after_its_ttl(dice: random.Random) -> Program:
    how, probe, read = dice.choice(("increment", "set")), dice.choice(_PROBES), dice.random() < 0.5

    async def program(run: ProgramRun) -> None:
        await _arm(run, how, run.times.short)
        if read:  # it must not live on because it was read
            await run.at(run.times.later)
            await run.call("get", client=1)
        await run.at(run.times.gone(0, run.times.short))
        await _probe(run, probe)

    return program


def _increment_re_arms(dice: random.Random) -> Program:
    longer, early = dice.random() < 0.7, dice.choice(("increment", "increment", "set"))

    async def program(run: ProgramRun) -> None:
        first, second = (run.times.short, run.times.long) if longer else (run.times.long, run.times.short)
        if early == "set":  # a canonical decimal that was set may count on, and is then re-armed
            await run.call("set_if_not_exist", "41", first)
        else:
            await run.call("increment", first)
        await run.at(run.times.later)
        await run.call("increment", second, client=1)
        if longer:
            await run.at(run.times.gone(0, first))
            await run.call("get")
        await run.at(run.times.gone(run.times.later + run.times.slack, second))
        await run.call("get")

    return program


def _extension_sets_the_deadline(dice: random.Random) -> Program:
    longer, how = dice.random() < 0.7, dice.choice(("increment", "set"))

    async def program(run: ProgramRun) -> None:
        first, second = (run.times.short, run.times.long) if longer else (run.times.long, run.times.short)
        await _arm(run, how, first)
        await run.at(run.times.later)
        await run.call("extend_ttl", second, client=1)
        if longer:
            await run.at(run.times.gone(0, first))
            await run.call("get")
        await run.at(run.times.gone(run.times.later + run.times.slack, second))
        await run.call("get")

    return program


def _extension_of_an_expired_key(dice: random.Random) -> Program:
    how = dice.choice(("increment", "set"))

    async def program(run: ProgramRun) -> None:
        await _arm(run, how, run.times.short)
        await run.at(run.times.gone(0, run.times.short))
        await run.call("extend_ttl", run.times.long)
        await run.call("get", client=1)

    return program


def _second_setter_leaves_the_deadline(dice: random.Random) -> Program:
    how, values = dice.choice(("increment", "set")), dice.choice(("w", "v", "vw", "www"))  # "v" is what is stored

    async def program(run: ProgramRun) -> None:
        await _arm(run, how, run.times.short)
        await run.at(run.times.later)
        for value in values:
            await run.call("set_if_not_exist", value, run.times.long, client=1)
        await run.at(run.times.gone(0, run.times.short))
        await run.call("get")

    return program


_READERS = 3
_OUTLIVES = 60
"""Seconds: a TTL that no program waits for."""


def _won_again_by_one(dice: random.Random) -> Program:
    ending, how = dice.choice(("expiry", "expiry", "delete")), dice.choice(("increment", "set"))
    readers = dice.choice((0, _READERS))

    async def program(run: ProgramRun) -> None:
        await _arm(run, how, run.times.short)
        if ending == "delete":
            await run.call("delete")
        else:
            await run.at(run.times.gone(run.last_end(), run.times.short))
        key, ended = run.key(), run.last_end()
        async with run.gate:
            # Readers among them: one that clears the old key away must not take the new one with it.
            looks = [asyncio.ensure_future(run.stores[reader].get(key)) for reader in range(readers)]
            won = await asyncio.gather(
                *[run.stores[racer % 4].set_if_not_exist(key, f"w{racer}", _OUTLIVES) for racer in range(_RACERS)]
            )
            await asyncio.gather(*looks)
        run.decisive += 1
        if won.count(True) != 1:
            raise run.violated(f"{won.count(True)} of {_RACERS} callers won the key after its {ending}, want exactly 1")
        stored = await run.stores[0].get(key)
        if stored != f"w{won.index(True)}":
            raise run.violated(f"after its {ending} the key holds {stored!r}, want the winner's 'w{won.index(True)}'")
        if ending == "delete":
            await run.at(run.times.gone(ended, run.times.short))
            if await run.stores[0].get(key) != stored:
                raise run.violated("the new key went when the TTL of the deleted one was over")

    return program


_ENDINGS = ("expiry", "delete", "extend_ttl")
_NEIGHBOURS = (("k", "k1"), ("k", "k:k"), ("a", "b"), ("k", "K"))


def _keys_do_not_touch_each_other(what: str, names: tuple[str, str], how: str) -> Program:
    async def program(run: ProgramRun) -> None:
        one, other = names
        times = run.times
        await _arm(run, "set", times.short, key=one)
        await _arm(run, how, times.short if what == "extend_ttl" else times.long, key=other)
        await run.at(times.later)
        if what == "delete":
            await run.call("delete", key=one)
        elif what == "extend_ttl":
            await run.call("extend_ttl", times.long, key=one)
        await run.at(times.gone(2 * times.slack, times.short))
        await run.call("get", key=other, client=1)
        await run.call("get", key=one, client=1)
        await run.call("get", key=other)  # what looked at an expired key may have cleared away more than that one

    return program


def _refused_increment_leaves_the_deadline(dice: random.Random) -> Program:
    value = dice.choice(("x", "007", ""))

    async def program(run: ProgramRun) -> None:
        await run.call("set_if_not_exist", value, run.times.short)
        await run.at(run.times.later)
        await run.call("increment", run.times.long, client=1)
        await run.at(run.times.gone(0, run.times.short))
        await run.call("get")

    return program


def _nothing_stays_for_ever(ttl: object, how: str) -> Program:
    async def program(run: ProgramRun) -> None:
        store, key = run.stores[0], run.key()
        if how == "extend_ttl":
            await store.set_if_not_exist(key, "v", 1)
        elif how == "increment again":
            await store.increment(key, 1)
        try:
            if how.startswith("increment"):
                await store.increment(key, ttl)
            elif how == "set":
                await store.set_if_not_exist(key, "v", ttl)
            else:
                await store.extend_ttl(key, ttl)
        except TargetRaised:  # refusing is right; only what is left behind counts
            run.decisive += 0
        await run.at(run.times.gone(run.times.slack, 2))
        left = await run.stores[1].get(key)
        run.decisive += 1
        waited = run.recorder.records[-1].start - (run.recorder.records[-2].end or run.pace.now())
        if left is not None and waited > 2 + run.times.lag:
            raise run.violated(
                f"{waited:.1f} s after {how.split()[0]} with a TTL of {ttl!r} the key still holds {left!r}"
            )

    return program


_FAMILIES: dict[str, Callable[[random.Random], Program]] = {
    "COORD-TTL-01": lambda dice: dice.choice((_present_for_its_ttl, _present_for_a_long_ttl))(dice),
    "COORD-TTL-02": _absent_after_its_ttl,
    "COORD-INC-04": _increment_re_arms,
    "COORD-EXT-02": _extension_sets_the_deadline,
    "COORD-EXT-01": _extension_of_an_expired_key,
    "COORD-SET-02": _second_setter_leaves_the_deadline,
    "COORD-SET-04": _won_again_by_one,
    "COORD-INC-06": _refused_increment_leaves_the_deadline,
}


def _programs(dice: random.Random, count: int) -> Iterator[tuple[str, Program]]:
    """At least a dozen programs of every family, about ``count`` in all; where there are few combinations, each."""
    for ttl, how in itertools.product(_SHORT_OR_INVALID_TTLS, ("increment", "increment again", "set", "extend_ttl")):
        yield "COORD-TTL-05", _nothing_stays_for_ever(ttl, how)
    for what, names, how in itertools.product(_ENDINGS, _NEIGHBOURS, ("set", "increment")):
        yield "COORD-TTL-03", _keys_do_not_touch_each_other(what, names, how)
    for family, make in _FAMILIES.items():
        for _ in range(max(12, count // len(_FAMILIES))):
            yield family, make(random.Random(dice.random()))


def _judge(bench: StoreBench, clause_id: str) -> None:
    memo = bench.settings.memo
    if "programs" not in memo:
        dice = random.Random(bench.settings.seed)
        memo["programs"] = run_programs(bench, list(_programs(dice, bench.settings.profile.programs)))
    results: list[ProgramResult] = [result for result in memo["programs"] if result.family == clause_id]
    problems = [result.problem for result in results if result.problem is not None]
    violations = [problem for problem in problems if isinstance(problem, ClauseViolation)]
    if violations:
        raise min(violations, key=lambda violation: len(violation.observed))
    if problems:
        raise problems[0]
    if not any(result.decisive for result in results):
        raise Inconclusive("every look at a deadline came too late or too early to tell; is the machine overloaded?")


class CoordinationTime:
    """Expiry, judged from programs that all ran in one wait."""

    @checks("COORD-TTL-01")
    def test_a_key_is_present_for_its_ttl(self, flowcraft_store_bench: StoreBench) -> None:
        _judge(flowcraft_store_bench, "COORD-TTL-01")

    @checks("COORD-TTL-02")
    def test_a_key_past_its_ttl_is_absent_for_every_operation(self, flowcraft_store_bench: StoreBench) -> None:
        _judge(flowcraft_store_bench, "COORD-TTL-02")

    @checks("COORD-INC-04")
    def test_every_increment_re_arms_the_ttl(self, flowcraft_store_bench: StoreBench) -> None:
        _judge(flowcraft_store_bench, "COORD-INC-04")

    @checks("COORD-INC-06")
    def test_a_refused_increment_leaves_the_deadline(self, flowcraft_store_bench: StoreBench) -> None:
        _judge(flowcraft_store_bench, "COORD-INC-06")

    @checks("COORD-EXT-02")
    def test_extension_sets_the_deadline(self, flowcraft_store_bench: StoreBench) -> None:
        _judge(flowcraft_store_bench, "COORD-EXT-02")

    @checks("COORD-EXT-01")
    def test_an_expired_key_cannot_be_extended(self, flowcraft_store_bench: StoreBench) -> None:
        _judge(flowcraft_store_bench, "COORD-EXT-01")

    @checks("COORD-SET-02")
    def test_a_second_setter_leaves_the_deadline(self, flowcraft_store_bench: StoreBench) -> None:
        _judge(flowcraft_store_bench, "COORD-SET-02")

    @checks("COORD-SET-04")
    def test_a_key_that_is_gone_can_be_won_again_by_one(self, flowcraft_store_bench: StoreBench) -> None:
        _judge(flowcraft_store_bench, "COORD-SET-04")

    @checks("COORD-TTL-03")
    def test_keys_do_not_touch_each_other(self, flowcraft_store_bench: StoreBench) -> None:
        _judge(flowcraft_store_bench, "COORD-TTL-03")

    @checks("COORD-TTL-05")
    def test_no_key_stays_for_ever(self, flowcraft_store_bench: StoreBench) -> None:
        _judge(flowcraft_store_bench, "COORD-TTL-05")
