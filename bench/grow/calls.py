"""The calls that are measured, through the real binary."""

import dataclasses
import statistics

import probes

SAMPLES = 200
PAGES = 100


@dataclasses.dataclass
class Times:
    """Milliseconds. The lower quartile is what is compared: other work on the machine only ever adds."""

    quartile: float
    median: float
    p95: float

    @classmethod
    def of(cls, times):
        quartile, median, _ = statistics.quantiles(times, n=4)
        return cls(quartile, median, sorted(times)[len(times) * 95 // 100])

    def __str__(self):
        return f"{self.quartile:.2f} ms ({self.median:.2f}, {self.p95:.2f})"


def measure(store, keys, generations):
    """By the name of the call. The store is empty, and is filled first."""
    with store.gateway() as gateway:
        template = _created(gateway, 0)
        _completed(gateway, template["key"])
    secrets = [probes.secret(number) for number in range(SAMPLES)]
    middle = store.fill(template["data"]["hash"], keys, generations, secrets)
    times = {}
    with store.gateway() as gateway:
        times["authenticating a key not in memory"] = [_refused_body(gateway, key) for key in secrets]
        times["its first answer: granting and settling"] = [_completed(gateway, key) for key in secrets]
        times["its second answer: settling"] = [_completed(gateway, key) for key in secrets]
        times["creating"] = [_creating(gateway, number) for number in range(SAMPLES)]
        times["listing, the first page"] = [_page(gateway, "") for _ in range(PAGES)]
        deep = [_page(gateway, f"?after={middle}") for _ in range(PAGES)]
        times["listing, the page in the middle by `after`"] = deep
    return {call: Times.of(of) for call, of in times.items()}


def _created(gateway, number):
    body = {"name": f"made {number}", "limit": 1_000, "limit_reset": "daily"}
    status, answer = gateway.ask("POST", "/api/v1/keys", body=body)
    assert status == 201, answer
    return answer


def _creating(gateway, number):
    body = {"name": f"made {number}", "limit": 1_000, "limit_reset": "daily"}
    took, status, answer = gateway.timed("POST", "/api/v1/keys", body=body)
    assert status == 201, answer
    return took


def _refused_body(gateway, key):
    """Refused for its body, so that all it asks for is who calls."""
    took, status, answer = gateway.timed("POST", "/api/v1/chat/completions", body={}, key=key)
    assert status == 400, answer
    return took


def _completed(gateway, key):
    body = {"model": "keyway/echo", "messages": [{"role": "user", "content": "four"}]}
    took, status, answer = gateway.timed("POST", "/api/v1/chat/completions", body=body, key=key)
    assert status == 200, answer
    return took


def _page(gateway, query):
    took, status, answer = gateway.timed("GET", f"/api/v1/keys{query}")
    assert status == 200 and len(answer["data"]) == 100, (status, len(answer.get("data", [])))
    return took
