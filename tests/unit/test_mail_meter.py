"""What comes of mails is counted before it comes, and is no more than was asked for."""

from __future__ import annotations

from pathlib import Path

from paquebot.testing.post import MemoryContext
from paquebot_mail.meter import Meter
from paquebot_mail.pace import Accepted, Limits, Pace

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
RATION = Limits(per_minute=None, per_day=None, bytes_per_day=200_000)


def test_what_is_asked_for_counts_before_it_comes_and_what_came_afterwards():
    noted: list[int] = []
    meter = Meter(100_000, day=200_000, note=noted.append)
    before = meter.left
    meter.ask(10_000)
    assert noted == [11_000]
    assert meter.left == before - 11_000
    assert meter.came(4_000)
    meter.answered(10_000)
    assert meter.left == before - 4_000
    meter.ask(5_000)
    assert sum(noted) == 11_000, "less than was noted already"
    assert meter.came(5_500)
    meter.answered(5_000)
    meter.close()
    assert sum(noted) == 9_500


def test_more_than_was_asked_for_is_noticed_also_while_several_answers_are_awaited():
    for left in (100_000, None):
        meter = Meter(left)
        for _ in range(3):
            meter.ask(1_000)
        assert meter.came(900)
        meter.answered(1_000)
        assert meter.came(4_000)
        assert not meter.came(2_000_000 if left is None else 100)
        assert meter.came(10**9) is False
    assert Meter(0).came(10**9), "what nobody asked for is no mail"


def test_what_is_not_surely_for_us_leaves_half_of_the_ration():
    meter = Meter(150_000, day=200_000)
    assert (meter.left, meter.spare) == (149_000, 49_000)
    assert Meter(50_000, day=200_000).spare == 0
    assert Meter().spare is None


def test_what_came_counts_for_a_day_also_after_a_new_start(tmp_path: Path):
    context = MemoryContext(tmp_path, now=1_796_000_000_000)

    def pace(limits: Limits = RATION) -> Pace:
        return Pace(context, "node@a.test", limits, lambda low, high: 1.0)

    assert pace().to_come() == 150_000, "a quarter is kept for sending"
    pace().came(100_000)
    assert pace().to_come() == 50_000
    assert pace().left()[1] == 100_000
    assert pace().today()[1] == (100_000, 200_000)
    assert pace().came_today() == 100_000
    context.now += HOUR_MS
    pace().came(60_000)
    pace().came(-20_000)
    pace().accepted("a" * 40, Accepted("00" * 16, "b@b.test", context.now, 50_000))
    assert pace().to_come() == 10_000
    assert pace().room_ms(10_000) == 0
    assert 22 * HOUR_MS < pace().room_ms(11_000) <= 23 * HOUR_MS + 600_000
    context.now += 23 * HOUR_MS + 600_000
    assert pace().came_today() == 40_000
    context.now += HOUR_MS
    assert (pace().came_today(), pace().to_come()) == (0, 150_000)
    assert len(context.state["smtp/node@a.test/came"]) < 100
    assert pace(Limits()).to_come() is None


def test_what_did_not_come_after_all_is_taken_back_from_when_it_was_asked_for(tmp_path: Path):
    context = MemoryContext(tmp_path, now=1_796_000_000_000)
    pace = Pace(context, "node@a.test", RATION, lambda low, high: 1.0)
    pace.came(50_000)
    context.now += HOUR_MS
    pace.came(-30_000)
    assert pace.came_today() == 20_000
    context.now += DAY_MS - HOUR_MS + 600_000
    assert pace.came_today() == 0
    pace.came(-1)
    assert pace.came_today() == 0
