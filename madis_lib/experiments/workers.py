"""Runs that need nothing of each other, side by side: one process and one thread each.

Small models gain little from a second thread, and everything from a second process.  What is made
is the same as one after the other: a run finds its own place in the store, and trains with one
thread wherever it is made.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partialmethod
from multiprocessing import get_context
from multiprocessing.synchronize import Event, RLock
from typing import Any, TypeVar

import torch
from tqdm import tqdm

Key = TypeVar("Key")
Job = Callable[[], Any]


def cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def side_by_side(
    jobs: Sequence[tuple[Key, Job]], workers: int | None = None
) -> Iterator[tuple[Key, float]]:
    """Do jobs in ``workers`` processes (one for each core); yields those done as they finish.

    Args:
        jobs: a name for each, and what to do: picklable, such as ``partial(Suite.evaluated, suite,
            "csl")``.  What it returns is dropped: runs are kept in the store.

    Yields:
        the name and the seconds it took.

    Raises:
        Whatever a job raises; the others are stopped, and go on where they were another time.
    """
    workers = min(cores() if workers is None else workers, len(jobs))
    if not jobs:
        return
    spawn = get_context("spawn")  # threads of torch do not survive a fork
    stop, slots = spawn.Event(), spawn.Queue()
    for slot in range(workers):
        slots.put(slot + 1)
    pool = ProcessPoolExecutor(workers, spawn, _begin, (os.getpid(), stop, slots, spawn.RLock()))
    try:
        names = {pool.submit(_timed, job): name for name, job in jobs}
        for future in as_completed(names):
            yield names[future], future.result()
    except BaseException:
        stop.set()  # an interrupt too: nobody waits for half an hour of work to be thrown away
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


def _begin(parent: int, stop: Event, slots: Any, bars: RLock) -> None:
    """What a worker does first: one thread, its own line for bars, an end when the parent ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    torch.set_num_threads(1)
    tqdm.set_lock(bars)
    tqdm.__init__ = partialmethod(tqdm.__init__, position=slots.get(), leave=None)

    def watch() -> None:
        while not stop.wait(0.5) and os.getppid() == parent:
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _timed(job: Job) -> float:
    begun = time.monotonic()
    job()
    return time.monotonic() - begun
