"""Runs that need nothing of each other, side by side: one process and one thread each.

Small models gain little from a second thread, and everything from a second process.  What is made
is the same as one after the other: a run finds its own place in the store, and those that may be
made here train with one thread wherever they are made.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from functools import cache, partialmethod
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import RLock
from typing import Any, TypeVar

import torch
from tqdm import tqdm

from madis_lib import train
from madis_lib.experiments.store import BusyRunError, Store
from madis_lib.presets import Preset
from madis_lib.train import OutOfTimeError

Key = TypeVar("Key", bound=Hashable)
Job = Callable[[], Any]
ALIVE = 2.0  # seconds after which it is asked whether all workers live
BUSY_PAUSE = 1.0  # seconds before anything is asked for again


def at_once(preset: Preset) -> int:
    """How many runs may be made at once: one for each core, if a GPU's memory holds as many."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    if not torch.cuda.is_available():
        return cores
    free, _ = torch.cuda.mem_get_info()
    return min(cores, max(1, int(free / 1e9 / preset.gpu_memory)))


def side_by_side(
    jobs: Sequence[tuple[Key, Job]],
    workers: int,
    needs: Mapping[Key, Collection[Key]] | None = None,
    until: float | None = None,
) -> Iterator[tuple[Key, float]]:
    """Do jobs in ``workers`` processes; yields those done as they finish.

    Args:
        jobs: a name for each, and what to do: picklable, such as ``partial(Suite.evaluated, suite,
            "csl")``.  What it returns is dropped: runs are kept in the store.
        needs: jobs of this list that must be done before one can begin, by name.  Of those that can
            begin, the first is one with the longest chain of others behind it.
        until: epoch seconds after which nothing begins and training stops at a checkpoint.

    Yields:
        the name and the seconds it took.

    Raises:
        Whatever a job raises, and ChildProcessError where a worker was killed; the others are
        stopped, and go on where they were another time.  OutOfTimeError after ``until``.  A job
        that another process is at (BusyRunError) is asked for again.
    """
    if not jobs:
        return
    workers = min(workers, len(jobs))
    waiting = dict(jobs)
    open_needs = {n: set((needs or {}).get(n, ())) & waiting.keys() for n in waiting}
    behind = _longest_chain_behind(open_needs)
    spawn = get_context("spawn")  # threads of torch do not survive a fork
    held_by_worker, held_here = spawn.Pipe(duplex=False)  # closed, by us or by our death: stop
    slots = spawn.Queue()
    for slot in range(workers):
        slots.put(slot + 1)
    begin = (held_by_worker, slots, spawn.RLock(), until)
    pool = ProcessPoolExecutor(workers, spawn, _begin, begin)
    running: dict[Future, tuple[Key, Job]] = {}
    stopped = False
    try:
        while waiting or running:
            stopped = stopped or (until is not None and time.time() > until)
            ready = sorted((n for n in waiting if not open_needs[n]), key=lambda n: -behind[n])
            for name in ready if not stopped else ():
                if (
                    len(running) < workers
                ):  # one each, so that what is asked for later can come first
                    job = waiting.pop(name)
                    running[pool.submit(_timed, job)] = name, job
            if not running:
                break
            done = wait(running, timeout=ALIVE, return_when=FIRST_COMPLETED).done
            # a pool that grows while it works can miss that a worker died (seen in Python 3.11)
            if not done and any(not process.is_alive() for process in pool._processes.values()):
                raise BrokenProcessPool
            for future in done:
                name, job = running.pop(future)
                try:
                    seconds = future.result()
                except BusyRunError:
                    waiting[name] = job  # behind the others
                    time.sleep(BUSY_PAUSE)
                except OutOfTimeError:
                    stopped = True
                    waiting[name] = job
                else:
                    for rest in open_needs.values():
                        rest.discard(name)
                    yield name, seconds
    except BaseException as error:  # an interrupt too: no one waits for half an hour of lost work
        held_here.close()
        pool.shutdown(wait=False, cancel_futures=True)
        if isinstance(error, BrokenProcessPool):
            raise ChildProcessError(
                "a worker was killed, perhaps for lack of memory; run the same command again to go on"
            ) from None
        raise
    pool.shutdown()
    held_here.close()
    if waiting:
        raise OutOfTimeError(f"{len(waiting)} of {len(jobs)} are left")


def _longest_chain_behind(needs: Mapping[Key, Collection[Key]]) -> dict[Key, int]:
    """How many jobs must be done one after another once this one is done."""
    followers: dict[Key, list[Key]] = {name: [] for name in needs}
    for name, needed in needs.items():
        for before in needed:
            followers[before].append(name)

    @cache
    def chain(name: Key) -> int:
        return max((1 + chain(after) for after in followers[name]), default=0)

    return {name: chain(name) for name in needs}


def _begin(held_by_worker: Connection, slots: Any, bars: RLock, until: float | None) -> None:
    """What a worker does first: one thread, its own line for bars, an end when the parent ends."""
    train.stop_at(until)
    Store.waits = False
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    torch.set_num_threads(1)
    tqdm.set_lock(bars)
    tqdm.__init__ = partialmethod(tqdm.__init__, position=slots.get(), leave=None)

    def watch() -> None:
        held_by_worker.poll(None)  # returns when the other end is closed
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _timed(job: Job) -> float:
    begun = time.monotonic()
    job()
    return time.monotonic() - begun
