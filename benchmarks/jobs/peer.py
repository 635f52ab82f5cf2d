"""One peer in a process of its own: `python peer.py NAME fill COUNT` or `... work COUNT CONCURRENCY`.

Runs in the throw-away environment, without Cuepoint. Every job is a no-op that counts; the first and the last one of a
backlog write a line with the time and this process's CPU seconds, then the process ends.
"""

# The peers are not in our environment: each is imported where it is used.
# ruff: noqa: PLC0415

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from typing import Any

URL = os.environ.get("BENCH_REDIS", "")


class Counter:
    """Counts jobs and tells the first and the last."""

    def __init__(self) -> None:
        self.count = 0
        self.wanted = 0

    def __call__(self) -> None:
        self.count += 1
        if self.count in (1, self.wanted):
            os.write(1, f"@ {time.time()} {time.process_time()}\n".encode())  # celery takes sys.stdout for itself
        if self.count == self.wanted:
            time.sleep(0.05)
            os._exit(0)


COUNTED = Counter()


def saq(command: str, count: int, concurrency: int) -> None:
    """SAQ on Redis, its own settings but for a time-out that no job meets."""
    import redis.asyncio
    from saq import Queue, Worker
    from saq.queue.redis import RedisQueue

    async def noop(_context: Any) -> None:
        COUNTED()

    async def fill(queue: Queue) -> None:
        for start in range(0, count, 100):
            await asyncio.gather(*(queue.enqueue("noop") for _ in range(start, min(count, start + 100))))

    async def main() -> None:
        client = redis.asyncio.Redis.from_url(URL, socket_timeout=None)
        queue = RedisQueue(client, name="bench")
        if command == "fill":
            await fill(queue)
        else:
            await Worker(queue, [("noop", noop)], concurrency=concurrency).start()

    import uvloop

    uvloop.run(main())


def dramatiq(command: str, count: int, concurrency: int) -> None:
    """dramatiq on Redis, one process with threads."""
    import dramatiq as package
    from dramatiq.brokers.redis import RedisBroker
    from dramatiq.worker import Worker

    broker = RedisBroker(url=URL)
    package.set_broker(broker)
    actor = package.actor(COUNTED.__call__, actor_name="noop")
    if command == "fill":
        for _ in range(count):
            actor.send()
    else:
        worker = Worker(broker, worker_threads=concurrency)
        worker.start()
        threading.Event().wait()


def taskiq(command: str, count: int, concurrency: int) -> None:
    """taskiq on a Redis stream, which acknowledges."""
    from taskiq.receiver import Receiver
    from taskiq_redis import RedisStreamBroker

    broker = RedisStreamBroker(url=URL)

    @broker.task(task_name="noop")
    async def noop() -> None:
        COUNTED()

    async def main() -> None:
        await broker.startup()
        if command == "fill":
            for _ in range(count):
                await noop.kiq()
            return
        broker.is_worker_process = True
        receiver = Receiver(broker, max_async_tasks=concurrency, run_startup=False)
        await receiver.listen(asyncio.Event())

    import uvloop

    uvloop.run(main())


def celery(command: str, count: int, concurrency: int) -> None:
    """celery on Redis with the thread pool, acknowledging late."""
    from celery import Celery

    app = Celery("bench", broker=URL)
    app.conf.update(task_acks_late=True, worker_prefetch_multiplier=4, task_ignore_result=True)

    @app.task(name="noop")
    def noop() -> None:
        COUNTED()

    if command == "fill":
        for _ in range(count):
            noop.delay()
    else:
        argv = ["worker", "--pool=threads", f"--concurrency={concurrency}", "--loglevel=ERROR", "--without-mingle"]
        app.worker_main([*argv, "--without-gossip", "--without-heartbeat"])


if __name__ == "__main__":
    name, command, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    COUNTED.wanted = count
    {"saq": saq, "dramatiq": dramatiq, "taskiq": taskiq, "celery": celery}[name](
        command, count, int(sys.argv[4]) if len(sys.argv) > 4 else 0
    )
