"""What is measured, and what is demanded of it."""

import contextlib
import dataclasses
import fcntl
import statistics

import million
from gateway import Gateway

STARTS = 10
PAGES = 20
AUTHENTICATIONS = 200
# Where SQLite keeps the eight locks of a WAL, in the file beside it.
WAL_LOCKS_AT, WAL_LOCKS = 120, 8
# How long a key that has to be looked up is given while nothing can be read.
UNKNOWN_PATIENCE_S = 1


@dataclasses.dataclass
class Figure:
    name: str
    measured: str
    demanded: str
    met: bool


def measure(binary, scratch):
    """Every figure, in the order of the table."""
    directory = scratch / "keyway-data"
    with Gateway(binary, directory):
        pass  # It makes the directory.
    yield size(binary)
    yield first_answer("first request answered after process start", binary, directory)
    with Gateway(binary, directory) as gateway:
        yield from known_key(gateway, directory)
        yield idle_memory(gateway)
        original = _charged(gateway)
    million.fill(directory, original)
    yield first_answer("the same over 1,000,000 keys", binary, directory)
    with Gateway(binary, directory) as gateway:
        yield from pages(gateway)


def size(binary):
    mib = binary.stat().st_size / 2**20
    return Figure("release binary", f"{mib:.1f} MiB", "< 25 MiB", mib < 25)


def first_answer(name, binary, directory):
    times = []
    for _ in range(STARTS):
        with Gateway(binary, directory) as gateway:
            times.append(gateway.first_answer_ms)
    return _times(name, times, "<= 100 ms", 100)


def idle_memory(gateway):
    """After the first requests, which is when caches and threads are there."""
    mib = gateway.resident_mib()
    return Figure("resident memory, idle", f"{mib:.1f} MiB", "< 30 MiB", mib < 30)


def known_key(gateway, directory):
    """Nothing can be read from the store, and a known key is told from an unknown one all the same.

    The request is one that is refused for its body, so that all it asks for is who calls.
    """
    known, unknown = (_created(gateway) for _ in range(2))
    _refused_body(gateway, known)
    with _unreadable(directory):
        times = [_refused_body(gateway, known) for _ in range(AUTHENTICATIONS)]
        waited = _is_unanswered(gateway, unknown)
    _refused_body(gateway, unknown)
    yield _times("known key, store unreadable", times, "no store round trip", 10)
    said = "no answer" if waited else "answered"
    demanded = "waits for the store"
    yield Figure("a key not seen before, meanwhile", said, demanded, waited)


def pages(gateway):
    first = [_page(gateway, "") for _ in range(PAGES)]
    yield _times("first page of GET /keys, of 1,000,000", first, "<= 10 ms", 10)
    last = million.KEYS - 100
    times = [_page(gateway, f"?offset={last}") for _ in range(PAGES)]
    yield _times("10,000th page by offset", times, "<= 100 ms", 100)
    cursor = _keys(gateway, f"?offset={last - 1}&limit=1")[0]["hash"]
    times = [_page(gateway, f"?after={cursor}") for _ in range(PAGES)]
    # What two medians of the same thing differ by on a machine that does other things too.
    bound = statistics.median(first) * 1.5 + 0.5
    yield _times("10,000th page by after=HASH", times, "as the first", bound)


def _page(gateway, query):
    took, status, answer = gateway.timed("GET", f"/api/v1/keys{query}")
    assert (status, len(answer["data"])) == (200, 100), (status, query)
    return took


def _keys(gateway, query):
    status, answer = gateway.ask("GET", f"/api/v1/keys{query}")
    assert status == 200, answer
    return answer["data"]


def _created(gateway):
    status, answer = gateway.ask("POST", "/api/v1/keys", {"name": "bench", "limit": 1})
    assert status == 201, answer
    return answer["key"]


def _charged(gateway):
    """The hash of a key that was used."""
    key = _created(gateway)
    body = {"model": "keyway/echo", "messages": [{"role": "user", "content": "Hello"}]}
    status, answer = gateway.ask("POST", "/api/v1/chat/completions", body, key)
    assert status == 200, answer
    return _keys(gateway, "?limit=1")[0]["hash"]


def _refused_body(gateway, key, patience_s=60):
    how = {"body": {}, "key": key, "patience_s": patience_s}
    took, status, answer = gateway.timed("POST", "/api/v1/chat/completions", **how)
    assert status == 400, answer
    return took


def _is_unanswered(gateway, key):
    try:
        _refused_body(gateway, key, UNKNOWN_PATIENCE_S)
        return False
    except TimeoutError:
        gateway.reconnect()
        return True


@contextlib.contextmanager
def _unreadable(directory):
    """Holds every lock that a reader of the database has to take part of."""
    with open(directory / "keyway.db-shm", "r+b") as index:
        fcntl.lockf(index, fcntl.LOCK_EX, WAL_LOCKS, WAL_LOCKS_AT)
        yield
        fcntl.lockf(index, fcntl.LOCK_UN, WAL_LOCKS, WAL_LOCKS_AT)


def _times(name, times, demanded, median_ms_max):
    median, most = statistics.median(times), max(times)
    measured = f"{median:.1f} ms (max {most:.1f})"
    return Figure(name, measured, demanded, median <= median_ms_max)
