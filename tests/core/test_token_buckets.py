"""Token buckets: a rate, a burst, a debt, and memory that is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imaged.core.token_buckets import SAMPLE, TokenBuckets

A, B = "192.0.2.1", "192.0.2.2"


def taken(buckets: TokenBuckets, client: str, per_s: float, now_s: float, tries: int = 1000) -> int:
    """Return how many single tokens a client gets at one time."""
    return sum(buckets.take(client, per_s, 1, now_s) == 0.0 for _ in range(tries))


def test_a_burst_and_a_rate() -> None:
    """A client gets the tokens of the window at once, then those of the time that has passed."""
    buckets = TokenBuckets(5.0)
    assert taken(buckets, A, 10.0, 100.0) == 50
    assert taken(buckets, A, 10.0, 100.05) == 0
    assert taken(buckets, A, 10.0, 100.1) == 1
    assert taken(buckets, A, 10.0, 102.1) == 20
    assert taken(buckets, A, 10.0, 1000.0) == 50


def test_clients_have_buckets_of_their_own() -> None:
    """A client that has used up its tokens costs no other any."""
    buckets = TokenBuckets(60.0)
    assert (taken(buckets, A, 0.1, 0.0), taken(buckets, B, 0.1, 0.0)) == (6, 6)


def test_a_slow_rate_has_one_token() -> None:
    """A bucket holds one token at least, also if the window has less."""
    buckets = TokenBuckets(5.0)
    assert taken(buckets, A, 0.01, 0.0) == 1
    assert buckets.take(A, 0.01, 1, 1.0) == 99.0
    assert taken(buckets, A, 0.01, 100.0) == 1


def test_the_wait_is_exact() -> None:
    """After the seconds that a refusal tells, and not before, there is a token."""
    buckets = TokenBuckets(60.0)
    assert taken(buckets, A, 0.5, 0.0) == 30
    wait_s = buckets.take(A, 0.5, 1, 0.5)
    assert wait_s == 1.5
    assert buckets.take(A, 0.5, 1, 1.9) > 0.0
    assert buckets.take(A, 0.5, 1, 2.0) == 0.0


def test_a_debt() -> None:
    """A bucket with a token gives more than it has, and the client waits for them."""
    buckets = TokenBuckets(60.0)
    assert buckets.take(A, 1.0, 100, 0.0) == 0.0
    assert buckets.take(A, 1.0, 1, 0.0) == 41.0
    assert buckets.take(A, 1.0, 0, 40.0) == 1.0
    assert buckets.take(A, 1.0, 1, 41.0) == 0.0


def test_tokens_that_come_back() -> None:
    """Tokens that are given back can be taken again."""
    buckets = TokenBuckets(60.0)
    assert taken(buckets, A, 1.0, 0.0) == 60
    buckets.give_back(A, 2)
    buckets.give_back(B, 2)
    assert taken(buckets, A, 1.0, 0.0) == 2
    assert taken(buckets, B, 1.0, 0.0) == 60


def test_none_taken_is_none_kept() -> None:
    """To look at a bucket keeps none."""
    buckets = TokenBuckets(60.0)
    assert buckets.take(A, 1.0, 0, 0.0) == 0.0
    assert len(buckets) == 0


def test_a_changed_rate_keeps_what_is_used() -> None:
    """A client that has used 60 tokens has 540 of 600 left when the rate is raised, and waits when it is lowered."""
    buckets = TokenBuckets(60.0)
    assert taken(buckets, A, 1.0, 0.0) == 60
    assert taken(buckets, A, 10.0, 0.0) == 540
    assert taken(buckets, A, 5.0, 0.0) == 0
    assert taken(buckets, A, 5.0, 60.0) == 0
    assert taken(buckets, A, 5.0, 61.0) == 5
    assert taken(buckets, B, 5.0, 61.0) == 300


def test_a_changed_rate_forgets_full_buckets() -> None:
    """They are like those that are not kept."""
    buckets = TokenBuckets(5.0, most=2)
    assert taken(buckets, A, 1.0, 0.0) == 5
    assert taken(buckets, B, 1.0, 4.0) == 5
    assert taken(buckets, B, 0.1, 6.0) == 0
    assert len(buckets) == 1


def test_memory_is_bounded() -> None:
    """A hundred times as many clients as fit: no more buckets are kept."""
    buckets = TokenBuckets(5.0, most=1000)
    for number in range(100_000):
        assert buckets.take(str(number), 1.0, 1, number / 1000) == 0.0
    assert len(buckets) == len(buckets._full_at_s) == 1000


def test_many_addresses_do_not_reset_a_client_that_is_refused() -> None:
    """Each of a hundred thousand other addresses asks once: the client is refused all the time."""
    buckets = TokenBuckets(60.0, most=1000)
    assert taken(buckets, A, 1.0, 0.0) == 60
    for number in range(100_000):
        buckets.take(str(number), 1.0, 1, 0.0)
        assert number % 100 or buckets.take(A, 1.0, 1, 0.0) > 0.0


def test_addresses_that_ask_as_much_reset_it() -> None:
    """To have a bucket forgotten takes as many other empty buckets as are kept. No new client is refused for them."""
    buckets = TokenBuckets(60.0, most=SAMPLE)
    assert taken(buckets, A, 1.0, 0.0) == 60
    for number in range(SAMPLE):
        assert taken(buckets, str(number), 1.0, 1.0) == 60
    assert taken(buckets, A, 1.0, 1.0) == 60


@given(
    st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 20), st.floats(0, 10)), max_size=60),
    st.floats(0.05, 50),
    st.floats(1, 60),
)
def test_no_client_gets_more_than_its_rate(asks: list[tuple[str, int, float]], per_s: float, window_s: float) -> None:
    """In any time, a client gets what the bucket holds and what the time brings, and the last of its requests."""
    buckets, now_s = TokenBuckets(window_s), 0.0
    given_tokens: dict[str, list[tuple[float, int]]] = {A: [], B: []}
    for client, tokens, pause_s in asks:
        now_s += pause_s
        if buckets.take(client, per_s, tokens, now_s) == 0.0:
            given_tokens[client].append((now_s, tokens))
    for events in given_tokens.values():
        for first in range(len(events)):
            for last in range(first, len(events)):
                held = max(1.0, window_s * per_s)
                before_last = sum(tokens for _, tokens in events[first:last])
                assert before_last <= held + per_s * (events[last][0] - events[first][0]) - 1 + 1e-3
