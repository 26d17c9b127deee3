import os

import pytest

from sc2lib.errors import InputError, StageError, UnsupportedError
from sc2lib.workflow.executors import LocalExecutor, executor


def double(n: int) -> int:
    return 2 * n


def refuse_three(n: int) -> int:
    if n == 3:
        raise InputError("three is not welcome; remove it")
    return n


def die_on_two(n: int) -> int:
    if n == 2:
        os.kill(os.getpid(), 9)
    return n


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_comes_back_with_its_index(workers):
    assert sorted(LocalExecutor(workers).map(double, [5, 6, 7])) == [(0, 10), (1, 12), (2, 14)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_is_raised_as_it_was(workers):
    with pytest.raises(InputError, match="three is not welcome"):
        list(LocalExecutor(workers).map(refuse_three, [1, 2, 3, 4]))


def test_a_dead_worker_is_an_error_with_a_remedy():
    with pytest.raises(StageError, match="workers=1"):
        list(LocalExecutor(2).map(die_on_two, [1, 2, 3]))


def test_no_items_give_nothing():
    assert list(LocalExecutor(2).map(double, [])) == []


def test_zero_workers_means_the_cores_there_are():
    assert executor("local", 0).workers >= 1


def own_pid(_: int) -> int:
    return os.getpid()


def test_held_processes_serve_one_map_after_another():
    run_on = LocalExecutor(2)
    with run_on.held():
        pids = [{pid for _, pid in run_on.map(own_pid, range(20))} for _ in range(3)]
        with pytest.raises(InputError):
            list(run_on.map(refuse_three, [1, 2, 3, 4]))
        assert sorted(run_on.map(double, [1, 2])) == [(0, 2), (1, 4)]
    assert len(set.union(*pids)) <= 2
    assert os.getpid() not in set.union(*pids)
    assert not set.union(*pids) & {pid for _, pid in run_on.map(own_pid, range(4))}


@pytest.mark.parametrize("address", [None, "10.9.8.7:6379"])
def test_a_ray_that_cannot_be_had_is_one_sentence(monkeypatch, address):
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'sc2lib[cluster]'")
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    if address:
        monkeypatch.setenv("RAY_ADDRESS", address)

    def late(**_):
        raise Exception("The current node timed out\nduring startup.")  # as Ray does

    monkeypatch.setattr(ray, "init", late)
    where = f"join the cluster at RAY_ADDRESS={address}" if address else "start on this machine"
    with pytest.raises(UnsupportedError, match=rf"^Ray cannot {where}: .* timed out during .*, or use executor=local$"):
        executor("ray")
