"""Ask a daemon for new outputs with many clients at once, from a process of their own: `crowd.py HOST PORT HOME`.

Each client asks for one output that no store has, and for the next one when it has got it; a refused client waits as
long as Retry-After says. Prints one JSON object: how many outputs were made and how many requests were refused in how
many seconds, the longest Retry-After, and the milliseconds of the median and of the slowest hundredth of each kind.
"""

from __future__ import annotations

import argparse
import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count


class Crowd:
    """Clients of the picture at `home`, each on a connection of its own, until `ends_s` of the monotonic clock."""

    def __init__(self, host: str, port: int, home: str, ends_s: float) -> None:
        self._host = host
        self._port = port
        self._home = home
        self._ends_s = ends_s
        self._numbers = count()
        self.made_s: list[float] = []
        self.refused_s: list[float] = []
        self.longest_retry_s = 0

    def ask(self) -> None:
        """Be one client. Raises RuntimeError for an answer that is neither an output nor a good refusal."""
        connection = http.client.HTTPConnection(self._host, self._port, timeout=60)
        name = self._next_name()
        while time.monotonic() < self._ends_s:
            began_s = time.perf_counter()
            connection.request("GET", f"{self._home}/{name}")
            answer = connection.getresponse()
            answer.read()
            took_s = time.perf_counter() - began_s
            if answer.status == http.client.OK:
                self.made_s.append(took_s)
                name = self._next_name()
            elif answer.status == http.client.SERVICE_UNAVAILABLE:
                self.refused_s.append(took_s)
                retry_s = int(answer.headers["Retry-After"])
                self.longest_retry_s = max(self.longest_retry_s, retry_s)
                time.sleep(max(min(retry_s, self._ends_s - time.monotonic()), 0))
            else:
                raise RuntimeError(f"{name} got {answer.status}")
        connection.close()

    def _next_name(self) -> str:
        width, quality = divmod(next(self._numbers), 100)
        return f"w{300 + width}-q{quality + 1}.jpg"


def main() -> None:
    """Read the command line and print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("home")
    parser.add_argument("--clients", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    crowd = Crowd(given.host, given.port, given.home, time.monotonic() + given.seconds)
    with ThreadPoolExecutor(given.clients) as pool:
        for each in [pool.submit(crowd.ask) for _ in range(given.clients)]:
            each.result()
    seen: dict[str, float] = {
        "made": len(crowd.made_s),
        "refused": len(crowd.refused_s),
        "longest_retry_s": crowd.longest_retry_s,
    }
    for kind, took_s in (("made", sorted(crowd.made_s)), ("refused", sorted(crowd.refused_s))):
        seen |= {f"{kind}_p{part}_ms": 1000 * took_s[len(took_s) * part // 100] if took_s else 0 for part in (50, 99)}
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
