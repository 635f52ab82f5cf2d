"""The job layer against its model: a hypothesis machine on real Postgres, and the order of claims by the model."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from cuepoint.db.base import uuid7
from tests.support import job_steps
from tests.support.job_model import Model, ModelJob, ModelWorker
from tests.support.job_steps import ListedDice, Step
from tests.support.job_twin import START, Twin
from tests.support.jobs import connect

# A rule draws the same bytes whatever the state: the order in which Postgres places siblings is its own, and hypothesis
# takes draws that differ between two runs of one prefix for a fault. What a rule needs it makes itself.
BYTES = st.binary(min_size=12, max_size=12)
BEGINNING = 5  # jobs, so that the first rules find something


class JobMachine(RuleBasedStateMachine):
    """Rules are the steps of the seeded driver; hypothesis chooses, and leaves rules out.

    It shortens what fails only in the long test: each try takes a third of a second.
    """

    runner: asyncio.Runner
    twin: Twin

    def __init__(self) -> None:
        super().__init__()
        self.runner.run(self.twin.empty())

    @initialize(draws=st.lists(BYTES, min_size=BEGINNING, max_size=BEGINNING))
    def begin(self, draws: list[bytes]) -> None:
        for drawn in draws:
            self.run_step(job_steps.create, drawn)

    def teardown(self) -> None:
        self.runner.run(self.twin.check_history())

    def run_step(self, step: Step, drawn: bytes) -> None:
        try:
            self.runner.run(step(self.twin, ListedDice(drawn)))
        except Exception as error:
            error.add_note("after:\n" + "\n".join(self.twin.story[-12:]))
            raise


def _rule(step: Step, name: str) -> Callable[..., None]:
    def run(self: JobMachine, drawn: bytes) -> None:
        self.run_step(step, drawn)

    run.__name__ = name
    return rule(drawn=BYTES)(run)


# Rules are equally likely: what is needed more often has several.
for _step, _weight in job_steps.STEPS.items():
    for _number in range(max(1, _weight // 2)):
        _name = f"{_step.__name__}_{_number}"
        setattr(JobMachine, _name, _rule(_step, _name))


@pytest.fixture
def machine(own_database_url: str) -> Iterator[type[JobMachine]]:
    """The machine on a database and a loop of its own: hypothesis is not asynchronous."""
    with asyncio.Runner() as runner:
        manager = connect(own_database_url)
        sql = runner.run(manager.__aenter__())
        runner.run(Twin.set_up(sql))
        yield type("JobMachineHere", (JobMachine,), {"runner": runner, "twin": Twin(sql)})
        runner.run(manager.__aexit__(None, None, None))


def limits(examples: int, steps: int, **others: Any) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        **others,
    )


class TestMachine:
    def test_the_database_does_what_the_model_does(self, machine: type[JobMachine]) -> None:
        run_state_machine_as_test(machine, settings=limits(60, 40, derandomize=True, phases=[Phase.generate]))

        assert machine.twin.comparisons > 60 * 40 // 2

    @pytest.mark.long
    def test_the_same_for_minutes_with_other_draws(self, machine: type[JobMachine]) -> None:
        run_state_machine_as_test(machine, settings=limits(300, 60, derandomize=False))

        assert machine.twin.comparisons > 300 * 60 // 2


class Lane:
    """One lane of the model, a worker, and claims one at a time."""

    def __init__(self) -> None:
        self.model = Model(START, ["io"])
        self.worker_id = uuid7()
        self.model.workers[self.worker_id] = ModelWorker(START)

    def add(self, project: int | None = None, *, priority: int = 5, cost: float = 30.0, count: int = 1) -> list[UUID]:
        ids = [UUID(int=len(self.model.jobs) + 1 + i) for i in range(count)]
        for job_id in ids:
            project_id = None if project is None else UUID(int=project)
            self.model.begin()
            self.model.create(ModelJob(job_id, START, project_id=project_id, priority=priority, cost=cost))
            self.model.place({})
        return ids

    def claim(self, count: int = 1) -> list[UUID]:
        return [job_id for _ in range(count) for job_id, _ in self.model.claim("io", self.worker_id, 1)]


@pytest.fixture
def lane() -> Lane:
    return Lane()


class TestOrder:
    """What the rule of places promises (docs/jobs.md). The database follows the same rule: that is tested above."""

    def test_a_late_job_of_another_project_is_second_behind_500(self, lane: Lane) -> None:
        lane.add(1, count=500)
        lane.claim()
        [late] = lane.add(2)

        assert late in lane.claim(2)

    def test_priority_ten_is_first_behind_500_of_priority_five_of_its_project(self, lane: Lane) -> None:
        lane.add(1, count=500)
        [urgent] = lane.add(1, priority=10)

        assert lane.claim() == [urgent]

    def test_of_100_urgent_ones_50_go_first_then_both_take_turns(self, lane: Lane) -> None:
        lane.add(1, count=500)
        lane.claim()
        urgent = set(lane.add(1, priority=10, count=100))

        claimed = [i in urgent for i in lane.claim(120)]  # 25 minutes are 50 jobs of 30 s

        assert claimed.index(False) == 50
        assert claimed[50:70].count(True) == 10

    def test_priority_zero_under_a_stream_of_tens_is_claimed_101st(self, lane: Lane) -> None:
        [lowest] = lane.add(1, priority=0)
        claimed = []
        for _ in range(110):
            lane.add(2, priority=10)
            claimed += lane.claim()

        assert claimed.index(lowest) == 100

    def test_projects_share_by_time_not_by_number(self, lane: Lane) -> None:
        long = set(lane.add(1, count=50, cost=60.0))
        lane.add(2, count=200, cost=20.0)

        claimed = [i in long for i in lane.claim(80)]

        assert claimed.count(True) == 20

    def test_a_job_that_comes_back_keeps_its_turn(self, lane: Lane) -> None:
        lane.add(1, count=3)
        [first] = lane.claim()
        lane.model.end_attempt((first, 1, lane.worker_id), "RELEASE", 0.0, None)

        assert lane.claim() == [first]

    def test_time_that_passes_alone_changes_no_turn(self, lane: Lane) -> None:
        lane.add(1, count=10)
        lane.model.now += timedelta(days=1)
        [late] = lane.add(2)

        assert late in lane.claim(2)
