"""Reading the content bucket over HTTP: what is not whole is never taken for an object."""

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from sc2lib.archive import object_storage, swhid
from sc2lib.archive.object_storage import CONNECTIONS, WINDOW, MissingObject, ObjectStorage, Wanted, storage
from sc2lib.errors import TransferError
from tests.archive.object_server import ObjectServer

DATA = bytes(range(256)) * 40


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    running = ObjectServer()
    running.waits = []  # type: ignore[attr-defined]
    monkeypatch.setattr(object_storage.time, "sleep", running.waits.append)  # type: ignore[attr-defined]
    yield running
    running.close()


def wanted(name: str, data: bytes = DATA) -> Wanted:
    return Wanted(name, swhid.content(data), len(data))


@pytest.mark.parametrize("trouble", ["503", "500", "429", "hang up", "cut body", "truncated object", "other object"])
def test_a_passing_trouble_is_waited_out(server: ObjectServer, trouble: str) -> None:
    name = server.put(DATA)
    server.troubles[name] = [trouble, trouble] if trouble != "other object" else [trouble]
    assert ObjectStorage(server.url).read(wanted(name)) == DATA
    assert server.waits == [0.5, 1.0][: server.asked[name] - 1] and server.waits  # type: ignore[attr-defined]


@pytest.mark.parametrize("trouble", ["503", "hang up", "cut body", "truncated object", "403", "400"])
def test_a_lasting_trouble_stops_with_the_object_named(server: ObjectServer, trouble: str) -> None:
    name = server.put(DATA)
    server.troubles[name] = [trouble] * 99
    with pytest.raises(TransferError, match=f"{name} could not be read whole: .*run the same command again"):
        ObjectStorage(server.url, attempts=3).read(wanted(name))
    assert server.asked[name] == (1 if trouble in ("403", "400") else 3)


def test_an_object_that_is_not_there_or_another_is_an_error_of_its_own(server: ObjectServer) -> None:
    gone, other, fine = "0" * 40, server.put(DATA), server.put(b"")
    server.troubles[other] = ["other object"] * 9
    answers = list(ObjectStorage(server.url).read_many([wanted(gone), wanted(other), wanted(fine, b"")]))
    assert isinstance(answers[0], MissingObject) and "HTTP 404" in str(answers[0])
    assert isinstance(answers[1], MissingObject) and "15 bytes instead of 10,240" in str(answers[1])
    assert answers[2] == b"" and server.asked[other] == 2


def test_both_hashes_and_the_length_must_fit(server: ObjectServer) -> None:
    name = server.put(DATA)
    reader = ObjectStorage(server.url)
    for bad, message in (
        (Wanted(name, swhid.content(b"x"), len(DATA)), "git identifier"),
        (Wanted(name, None, len(DATA) - 1), "bytes instead of"),
    ):
        with pytest.raises(MissingObject, match=message):
            reader.read(bad)
    assert reader.read(Wanted(name)) == DATA


def test_a_bomb_is_unpacked_no_further_than_announced(server: ObjectServer) -> None:
    name = server.put(bytes(50 << 20))
    with pytest.raises(MissingObject, match="11 bytes instead of 10"):
        ObjectStorage(server.url).read(Wanted(name, None, 10))


def test_order_is_kept_and_concurrency_bounded(server: ObjectServer) -> None:
    texts = [b"%d\n" % number for number in range(200)]
    names = [server.put(text) for text in texts]
    server.troubles[names[0]] = ["wait for another"]
    reader = ObjectStorage(server.url)
    assert list(reader.read_many(wanted(name, text) for name, text in zip(names, texts))) == texts
    assert 1 < server.most_at_once <= CONNECTIONS


def take_all(url: str, names: list[str]) -> int:
    return sum(isinstance(data, bytes) for data in storage(url).read_many(map(Wanted, names)))


def test_the_processes_of_a_machine_share_the_connections(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SC2_CACHE", str(tmp_path))
    server = ObjectServer()
    names = [server.put(b"%d\n" % number) for number in range(240)]
    server.troubles = {name: ["slow"] for name in names}
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(take_all, [server.url] * 3, [names[part::3] for part in range(3)])) == [80, 80, 80]
    server.close()
    assert CONNECTIONS // 2 < server.most_at_once <= CONNECTIONS


def test_no_more_is_asked_for_than_the_window_holds(server: ObjectServer) -> None:
    """Answers that nobody has taken lie in memory: of a shard of large objects they must not be all."""
    names = [server.put(b"%d\n" % number) for number in range(10 * WINDOW)]
    taken = []
    answers = ObjectStorage(server.url).read_many(Wanted(name) for name in names if not taken.append(name))
    for number in range(3):
        assert next(answers) == b"%d\n" % number
        assert len(taken) <= WINDOW + number
    answers.close()  # type: ignore[attr-defined]
    assert len(taken) <= WINDOW + 3 and server.asked.total() <= WINDOW + 3


def test_a_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(object_storage.time, "sleep", lambda seconds: None)
    with pytest.raises(TransferError, match="could not be read whole"):
        ObjectStorage("http://127.0.0.1:9/", attempts=2).read(Wanted("0" * 40))
