"""The loop behaves as asyncio's own where nothing deviates, and does what its list says where something does."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import itertools
import random
import threading
import warnings
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from flowcraft_conformance.checking.deterministic_loop import START, DeterministicLoop
from flowcraft_conformance.checking.loop_parts import DeadlockError, NeedsRealTimeError, StepLimitError


class Cell:
    value = 0


async def _count(cell: Cell) -> None:
    seen = cell.value
    await asyncio.sleep(0)
    cell.value = seen + 1


async def _late(cell: Cell, seconds: float) -> None:
    await asyncio.sleep(seconds)
    await _count(cell)


async def _two_workers_10_ms_apart() -> int:
    cell = Cell()
    await asyncio.gather(*[asyncio.create_task(_late(cell, 0.01 * n), name=f"w{n}") for n in (1, 2)])
    return cell.value


class _Program:
    """Tasks that sleep, lock, queue, wait for each other and time out, and write down when they ran.

    Pauses are multiples of a power of two and differ, so that no two moments are equal by rounding.
    """

    def __init__(self, seed: int, log: list[str]) -> None:
        dice = random.Random(seed)
        self.log = log
        self.plans = [[dice.choice("slqetgc") for _ in range(dice.randint(1, 6))] for _ in range(dice.randint(1, 5))]
        moments = [moment / 2**20 for moment in dice.sample(range(1, 4096), 120)]
        self.pauses = iter([dice.choice((0, pause)) for pause in moments[:60]])
        self.limits = iter(moments[60:])

    async def main(self) -> None:
        self.lock, self.queue, self.event = asyncio.Lock(), asyncio.Queue[int](), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number, plan in enumerate(self.plans):
                group.create_task(self.work(str(number), plan))
        await asyncio.sleep(1)

    async def work(self, name: str, plan: list[str]) -> None:
        for number, step in enumerate(plan):
            self.log.append(f"{name}.{number}{step}")
            await getattr(self, f"act_{step}")()
        self.log.append(f"{name} ends")

    async def act_s(self) -> None:
        await asyncio.sleep(next(self.pauses))

    async def act_l(self) -> None:
        async with self.lock:
            await asyncio.sleep(next(self.pauses))

    async def act_q(self) -> None:
        self.queue.put_nowait(1)
        await self.queue.get()

    async def act_e(self) -> None:
        asyncio.get_running_loop().call_soon(self.event.set)
        await self.event.wait()
        self.event.clear()

    async def act_t(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.sleep(1), next(self.limits))

    async def act_g(self) -> None:
        await asyncio.gather(asyncio.sleep(0), asyncio.sleep(next(self.pauses)))

    async def act_c(self) -> None:
        asyncio.get_running_loop().call_later(next(self.pauses), self.log.append, "called")
        await asyncio.sleep(0)


class _VirtualTimeLoop(asyncio.SelectorEventLoop):
    """asyncio's own loop, its scheduler untouched, on a clock that jumps to the next timer when nothing is ready."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.now

    def _run_once(self) -> None:
        scheduled = [timer.when() for timer in self._scheduled if not timer.cancelled()]  # type: ignore[attr-defined]
        if not self._ready and scheduled:  # type: ignore[attr-defined]
            self.now = max(self.now, min(scheduled))
        super()._run_once()  # type: ignore[misc]


def test_without_deviation_the_order_is_asyncios() -> None:
    for seed in range(400):
        ours: list[str] = []
        theirs: list[str] = []
        DeterministicLoop().run(_Program(seed, ours).main(), [0] * 10_000)
        with asyncio.Runner(loop_factory=_VirtualTimeLoop) as runner:
            runner.run(_Program(seed, theirs).main())
        assert ours == theirs, f"seed {seed}"
        assert len(ours) > 1


def test_every_schedule_of_a_right_program_ends_and_repeats() -> None:
    loop = DeterministicLoop()
    for seed in range(400):
        choices = list(random.Random(seed).randbytes(200))
        logs: list[list[str]] = [[], []]
        for log in logs:
            loop.run(_Program(seed, log).main(), choices)
        assert logs[0] == logs[1]


def test_a_slow_task_loses_its_update_to_one_that_started_10_ms_later() -> None:
    loop = DeterministicLoop()
    assert loop.run(_two_workers_10_ms_apart()) == 2
    loop.run(_two_workers_10_ms_apart(), [0] * 100)
    singles = range(len(loop.points))
    lost = [place for place in singles if loop.run(_two_workers_10_ms_apart(), [0] * place + [1]) == 1]
    assert lost, "no single deviation lost the update"


def test_the_story_says_who_was_overtaken_and_where() -> None:
    loop = DeterministicLoop()
    loop.run(_two_workers_10_ms_apart(), [0] * 100)
    for place in range(len(loop.points)):
        if loop.run(_two_workers_10_ms_apart(), [0] * place + [1], tell=True) == 1:
            break
    assert loop.story is not None
    left = [step for step in loop.story.steps if step.overtakes]
    assert len(left) == 1
    assert left[0].task == "w2"
    assert left[0].after_timer
    line = _count.__code__.co_firstlineno + 2
    assert left[0].overtakes == (f"w1 at checking/test_deterministic_loop.py:{line}",)


@pytest.mark.parametrize(
    ("name", "ask"),
    [
        ("create_connection", lambda: asyncio.open_connection("localhost", 1)),
        ("create_server", lambda: asyncio.start_server(lambda _reader, _writer: None, "localhost", 1)),
        ("run_in_executor", lambda: asyncio.to_thread(print)),
        ("subprocess_exec", lambda: asyncio.create_subprocess_exec("true")),
        ("getaddrinfo", lambda: asyncio.get_running_loop().getaddrinfo("localhost", 1)),
    ],
)
def test_what_needs_real_time_says_so(name: str, ask: Callable[[], Any]) -> None:
    async def main() -> None:
        await ask()

    loop = DeterministicLoop()
    with pytest.raises(NeedsRealTimeError, match=f"{name} needs real time.*real-time suites"):
        loop.run(main())
    assert loop.needed is not None
    assert loop.needed.asked == name


def test_a_refusal_is_known_though_it_was_swallowed() -> None:
    async def main() -> str:
        with contextlib.suppress(Exception):
            asyncio.get_running_loop().add_reader(0, print)
        return "went on"

    loop = DeterministicLoop()
    assert loop.run(main()) == "went on"
    assert loop.needed is not None


def test_an_answer_from_another_thread_is_refused_and_no_deadlock() -> None:
    went_on: list[bool] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        answer = loop.create_future()

        def other() -> None:  # the target's own thread: what asyncio never raises would end it
            loop.call_soon_threadsafe(answer.set_result, 1)
            went_on.append(True)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        await answer

    with pytest.raises(NeedsRealTimeError, match="another thread"):
        DeterministicLoop().run(main())
    assert went_on == [True]


def test_a_deadlock_names_the_tasks_and_where_they_wait() -> None:
    async def take(first: asyncio.Lock, second: asyncio.Lock) -> None:
        async with first:
            await asyncio.sleep(0)
            async with second:
                pass

    async def main() -> None:
        one, other = asyncio.Lock(), asyncio.Lock()
        tasks = [
            asyncio.create_task(take(one, other), name="left"),
            asyncio.create_task(take(other, one), name="right"),
        ]
        await asyncio.gather(*tasks)

    loop = DeterministicLoop()
    with pytest.raises(DeadlockError) as caught:
        loop.run(main())
    line = take.__code__.co_firstlineno + 3
    assert f"left waits at checking/test_deterministic_loop.py:{line}" in caught.value.waiting
    assert f"right waits at checking/test_deterministic_loop.py:{line}" in caught.value.waiting
    assert loop.run(_two_workers_10_ms_apart()) == 2


def test_an_endless_run_ends_at_its_bound() -> None:
    async def main() -> None:
        for _ in itertools.count():
            await asyncio.sleep(0)

    loop = DeterministicLoop()
    with pytest.raises(StepLimitError, match="within 50 steps"):
        loop.run(main(), max_steps=50)
    assert loop.run(_two_workers_10_ms_apart()) == 2


def test_nothing_is_left_behind() -> None:
    ended: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0.5)
            ended.append("generator")

    async def background() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            await asyncio.sleep(0.5)
            ended.append("background")

    async def stubborn() -> None:
        while True:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(1)

    async def fails() -> None:
        raise ValueError("nobody looks")

    async def main() -> int:
        asyncio.create_task(background())  # noqa: RUF006
        asyncio.create_task(stubborn())  # noqa: RUF006
        asyncio.create_task(fails())  # noqa: RUF006
        await asyncio.sleep(0)
        generator = numbers()
        return await anext(generator)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert DeterministicLoop().run(main()) == 1
        gc.collect()
    assert sorted(ended) == ["background", "generator"]


def test_time_is_virtual_and_the_same_in_every_run() -> None:
    loop = DeterministicLoop()

    async def main() -> float:
        await loop.clock.sleep(3600)
        return loop.clock.monotonic()

    assert [loop.run(main()), loop.run(main())] == [START + 3600, START + 3600]
    assert loop.clock.time() == loop.time()


def test_a_far_timer_is_never_first() -> None:
    async def main() -> str:
        async with asyncio.timeout(5):
            for _ in range(20):
                await asyncio.sleep(0)
        return "in time"

    loop = DeterministicLoop()
    assert all(loop.run(main(), random.Random(seed).randbytes(50)) == "in time" for seed in range(100))


def test_context_variables_belong_to_their_task() -> None:
    variable = contextvars.ContextVar("variable", default=0)

    async def child(number: int) -> int:
        variable.set(number)
        await asyncio.sleep(0)
        return variable.get()

    async def main() -> list[int]:
        return [*await asyncio.gather(child(1), child(2)), variable.get()]

    for seed in range(20):
        assert DeterministicLoop().run(main(), random.Random(seed).randbytes(20)) == [1, 2, 0]


def test_it_does_not_run_inside_another_loop() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="inside another"):
            DeterministicLoop().run(_two_workers_10_ms_apart())

    asyncio.run(main())


def test_an_exit_in_a_task_is_passed_on() -> None:
    async def leaves() -> None:
        raise SystemExit(3)

    async def main() -> None:
        await asyncio.create_task(leaves())

    loop = DeterministicLoop()
    with pytest.raises(SystemExit):
        loop.run(main())
    assert loop.run(_two_workers_10_ms_apart()) == 2
