"""Times have one form, stamps sort as they read, and a wrong clock harms its owner alone."""

from __future__ import annotations

import datetime

import pytest

from paquebot.errors import Malformed
from paquebot.protocol.limits import AHEAD_MAX_MS, DAY_MS, ELAPSED_MAX_MS, LATEST_MS, RELEASED_MS
from paquebot.protocol.stamp import MILLIS_MAX, Clock, Millis, Stamp, format_time, parse_time

NOW = Millis(1_800_000_000_000)
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    "at", [0, 1, 951_782_400_000, 1_437_925_717_703, 4_107_542_399_999, MILLIS_MAX, -1, -62_135_596_800_000]
)
def test_a_time_is_written_as_the_standard_library_would_and_read_back(at):
    found = (EPOCH + datetime.timedelta(milliseconds=at)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    assert format_time(Millis(at)) == found
    assert parse_time(found) == at


def test_every_day_of_four_centuries_goes_there_and_back():
    for day in range(-25_567, 120_530, 13):
        text = (EPOCH + datetime.timedelta(days=day)).strftime("%Y-%m-%dT00:00:00.000Z")
        assert (parse_time(text), format_time(Millis(day * DAY_MS))) == (day * DAY_MS, text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-11-20",
        "2026-11-20T12:00:00Z",
        "2026-11-20T12:00:00.000",
        "2026-11-20T12:00:00.000+00:00",
        "2026-11-20T12:00:00.0000Z",
        "2026-11-20 12:00:00.000Z",
        "2026-11-20T12:00:00.000Z\n",
        " 2026-11-20T12:00:00.000Z",
        "2026-11-20t12:00:00.000z",
        "2026-00-20T12:00:00.000Z",
        "2026-13-20T12:00:00.000Z",
        "2026-11-00T12:00:00.000Z",
        "2026-11-31T12:00:00.000Z",
        "2026-02-29T12:00:00.000Z",
        "2100-02-29T12:00:00.000Z",
        "2024-02-30T12:00:00.000Z",
        "2026-11-20T24:00:00.000Z",
        "2026-11-20T12:60:00.000Z",
        "2026-11-20T23:59:60.000Z",
        "12026-11-20T12:00:00.000Z",
        "-026-11-20T12:00:00.000Z",
        "\u0662\u0660\u0662\u0666-11-20T12:00:00.000Z",
    ],
)
def test_any_other_time_is_refused(text):
    with pytest.raises(Malformed):
        parse_time(text)


@pytest.mark.parametrize(
    "tail", ["", "/", "/0", "/00FF", "/00fg", "/00ff0", "/00ff\n", " 00ff", "/ 0ff", "/+0ff", "/0_ff"]
)
def test_any_other_stamp_is_refused(tail):
    with pytest.raises(Malformed):
        Stamp.parse("2026-11-20T12:00:00.000Z" + tail)


def test_a_stamp_is_written_and_read_and_sorts_as_it_reads():
    stamps = [Stamp(NOW, 0), Stamp(NOW, 1), Stamp(NOW, 0x10), Stamp(NOW, 0xFFFF), Stamp(Millis(NOW + 1), 0)]
    assert [Stamp.parse(str(each)) for each in stamps] == stamps == sorted(stamps)
    assert sorted(map(str, stamps)) == [*map(str, stamps)]


def test_the_next_stamp_is_later_whatever_the_clock_shows():
    assert Stamp(NOW, 7).after(Millis(NOW + 1)) == Stamp(Millis(NOW + 1))
    assert Stamp(NOW, 7).after(NOW) == Stamp(NOW, 8)
    assert Stamp(NOW, 7).after(Millis(0)) == Stamp(NOW, 8)
    assert Stamp(NOW, 0xFFFF).after(NOW) == Stamp(Millis(NOW + 1))


def test_a_clock_that_shows_less_than_what_has_certainly_passed_is_doubted():
    clock = Clock()
    assert (clock.doubtful(Millis(0)), clock.doubtful(Millis(RELEASED_MS))) == (True, False)
    assert Clock(NOW, Millis(1_000)).now(Millis(4_000)) == NOW + 3_000
    assert Clock(NOW, Millis(1_000)).now(Millis(0)) == NOW


@pytest.mark.parametrize("wall", [0, 5, 1_577_836_800_000, RELEASED_MS - 5 * DAY_MS, RELEASED_MS - 1])
def test_while_nothing_was_learned_a_wrong_clock_says_nothing(wall):
    assert Clock().now(Millis(wall)) == RELEASED_MS
    assert Clock(NOW).now(Millis(wall)) == NOW
    assert Clock().now(NOW) == NOW


def test_a_wrong_clock_that_was_set_to_another_wrong_time_did_not_run_for_years():
    assert Clock(NOW, Millis(5)).now(Millis(ELAPSED_MAX_MS + 5)) == NOW + ELAPSED_MAX_MS
    assert Clock(NOW, Millis(5)).now(Millis(1_577_836_800_000)) == NOW


def test_a_doubtful_clock_learns_from_a_peer_and_a_sound_one_does_not():
    assert Clock().learn(NOW, Millis(9)) == Clock(NOW, Millis(9))
    assert Clock().learn(Millis(NOW + 1), NOW) == Clock()
    assert Clock().learn(Millis(NOW + AHEAD_MAX_MS), NOW) == Clock()
    assert Clock().learn(Millis(NOW + 10 * 365 * DAY_MS), NOW) == Clock()
    assert Clock().learn(Millis(RELEASED_MS - 1), Millis(9)) == Clock()


def test_no_peer_can_teach_an_impossible_time():
    assert Clock().learn(Millis(LATEST_MS), Millis(9)) == Clock(Millis(LATEST_MS), Millis(9))
    assert Clock().learn(Millis(LATEST_MS + 1), Millis(9)) == Clock()


def test_a_doubtful_clock_is_noted_so_that_its_hours_count():
    noted = Clock().noted(Millis(9), Millis(0))
    assert noted == Clock(wall=Millis(9))
    assert noted.noted(Millis(1009), Millis(0)) == noted, "once is enough"
    assert noted.noted(Millis(3), Millis(0)) == Clock(wall=Millis(3)), "it began again"
    assert noted.noted(Millis(1_577_836_800_000), Millis(0)).wall == 1_577_836_800_000, "it was set"
    assert Clock().noted(NOW, Millis(NOW + 9)) == Clock(), "a sound one needs no note"


def test_what_we_stamped_has_passed_if_the_clock_is_of_no_use():
    assert Clock().noted(Millis(9), NOW) == Clock(NOW, Millis(9))
    assert Clock(wall=Millis(9)).noted(Millis(1009), NOW) == Clock(NOW, Millis(1009))
    assert Clock(NOW, Millis(9)).noted(Millis(1009), Millis(NOW + 10)) == Clock(NOW, Millis(9))
