"""Reading the content bucket over HTTP: what is not whole is never taken for an object."""

import multiprocessing
import time
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
    monkeypatch.setattr(object_storage, "wait", lambda seconds, _: running.waits.append(seconds))  # type: ignore[attr-defined]
    yield running
    running.close()


def wanted(name: str, data: bytes = DATA) -> Wanted:
    return Wanted(name, swhid.content(data), len(data))


@pytest.mark.parametrize("trouble", ["503", "500", "429", "hang up", "cut body", "truncated object", "other object"])
def test_a_passing_trouble_is_waited_out(server: ObjectServer, trouble: str) -> None:
    name = server.put(DATA)
    server.troubles[name] = [trouble, trouble] if trouble != "other object" else [trouble]
    assert ObjectStorage(server.url).read(wanted(name)) == DATA
    waits = server.waits  # type: ignore[attr-defined]
    assert len(waits) == server.asked[name] - 1 > 0
    assert all(longest / 2 <= seconds <= longest for longest, seconds in zip([0.5, 1.0], waits))


def test_an_object_that_the_server_calls_encoded_is_still_the_object(server: ObjectServer) -> None:
    """A bucket may hold its gzip objects with the header ``Content-Encoding: gzip``, which clients undo unasked."""
    name = server.put(DATA)
    server.troubles[name] = ["called encoded"]
    assert ObjectStorage(server.url).read(wanted(name)) == DATA
    assert server.asked[name] == 1


def test_an_object_that_never_comes_whole_can_be_left_out_by_its_name(server: ObjectServer) -> None:
    name = server.put(DATA)
    server.troubles[name] = ["truncated object"] * 3
    with pytest.raises(TransferError, match=f"leave it out: swh:1:cnt:{swhid.content(DATA)} in a list for opt_out"):
        ObjectStorage(server.url, attempts=3).read(wanted(name))
    server.troubles[name] = ["503"] * 3
    with pytest.raises(TransferError) as caught:
        ObjectStorage(server.url, attempts=3).read(wanted(name))
    assert "opt_out" not in str(caught.value)


@pytest.mark.parametrize("trouble", ["503", "hang up", "cut body", "truncated object", "403", "400"])
def test_a_lasting_trouble_stops_with_the_object_named(server: ObjectServer, trouble: str) -> None:
    name = server.put(DATA)
    server.troubles[name] = [trouble] * 99
    with pytest.raises(TransferError, match=f"{name} could not be read whole: .*run the same command again"):
        ObjectStorage(server.url, attempts=3).read(wanted(name))
    assert server.asked[name] == (1 if trouble in ("403", "400") else 3)


def test_the_waits_of_one_object_are_some_minutes_and_not_the_same_for_all(server: ObjectServer) -> None:
    name = server.put(DATA)
    sums = []
    for _ in range(2):
        server.troubles[name], server.waits = ["503"] * 99, []  # type: ignore[attr-defined]
        with pytest.raises(TransferError, match="HTTP 503"):
            ObjectStorage(server.url).read(wanted(name))
        sums.append(sum(server.waits))  # type: ignore[attr-defined]
    assert all(140 < total < 310 for total in sums) and sums[0] != sums[1]


def test_a_server_that_names_its_wait_is_obeyed(server: ObjectServer) -> None:
    name = server.put(DATA)
    server.troubles[name], server.retry_after = ["503"], "17"
    assert ObjectStorage(server.url).read(wanted(name)) == DATA
    assert server.waits == [17.0]  # type: ignore[attr-defined]
    server.troubles[name], server.retry_after = ["503"], "some time"
    assert ObjectStorage(server.url).read(wanted(name)) == DATA
    server.troubles[name], server.retry_after = ["503"], "3600"
    with pytest.raises(TransferError, match="the server asks for a wait of 3,600 seconds"):
        ObjectStorage(server.url).read(wanted(name))
    assert len(server.waits) == 2, "an hour is not waited out"  # type: ignore[attr-defined]


def test_who_gives_up_does_not_wait_to_the_end() -> None:
    """Ctrl-C ends a process after its threads: a wait of a minute must not hold it."""
    server = ObjectServer()
    name, bad = server.put(DATA), server.put(b"bad")
    server.troubles[bad] = ["503"] * 99
    reader = ObjectStorage(server.url, first_wait=120.0)
    answers = reader.read_many([Wanted(name), Wanted(bad)])
    assert next(answers) == DATA
    while not server.asked[bad]:
        time.sleep(0.01)
    begin = time.monotonic()
    answers.close()  # type: ignore[attr-defined]
    reader._workers.shutdown()
    assert time.monotonic() - begin < 20 and server.asked[bad] == 1
    server.close()


def test_a_key_that_is_denied_is_missing_unless_all_are(server: ObjectServer) -> None:
    """S3 answers so for what is not there, when the bucket may not be listed."""
    fine, *denied = [server.put(b"%d\n" % number) for number in range(4)]
    server.troubles = {name: ["denied"] * 9 for name in denied}
    answers = list(ObjectStorage(server.url).read_many(map(Wanted, [denied[0], fine])))
    assert isinstance(answers[0], MissingObject) and "HTTP 403" in str(answers[0]) and answers[1] == b"0\n"
    empty = server.put(b"")
    assert len(list(ObjectStorage(server.url).read_many(map(Wanted, denied)))) == 3, "the empty file is given"
    server.troubles[empty] = ["denied"]
    with pytest.raises(TransferError, match=r"denies all 3 objects .*content_bucket"):
        list(ObjectStorage(server.url).read_many(map(Wanted, denied)))


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
    monkeypatch.setattr(object_storage, "wait", lambda seconds, given_up: False)
    with pytest.raises(TransferError, match="could not be read whole"):
        ObjectStorage("http://127.0.0.1:9/", attempts=2).read(Wanted("0" * 40))
