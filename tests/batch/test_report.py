"""The output of a batch."""

from __future__ import annotations

import io

from imaged.batch.report import BatchCounts, Screen


class Terminal(io.StringIO):
    """A stream that is a terminal."""

    def isatty(self) -> bool:
        """Return True."""
        return True


def test_text_goes_above_the_drawn_line() -> None:
    """The drawn line is erased once, before the text."""
    stream = Terminal()
    screen = Screen(stream)
    screen.draw("1 done")
    screen.write("a\n")
    screen.write("b\n")
    assert stream.getvalue() == "\r\x1b[K1 done\r\x1b[Ka\nb\n"


def test_nothing_is_drawn_for_programs() -> None:
    """Without a terminal, no line is drawn."""
    stream = io.StringIO()
    Screen(stream).draw("1 done")
    assert stream.getvalue() == ""


def test_the_summary() -> None:
    """Unfinished items are in the summary only when there are some."""
    tally = BatchCounts(done=3, failed=1, skipped=2, elsewhere=4, made=6, there=5)
    told = "3 done, 1 failed, 2 done before, 4 of other shards; 6 outputs made, 5 already there; 1.2 s"
    assert tally.summary(1.23) == told
    tally.unfinished = 7
    assert "7 unfinished;" in tally.summary(1.0)
