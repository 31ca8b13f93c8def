"""Mails as relays, programs and enemies leave them: each ends as its name says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from fixtures import make_mails
from fixtures.openpgp_by_hand import BOB, BUNDLE, OPENED, PINS

from paquebot.errors import Refused
from paquebot.testing.post import MemoryContext
from paquebot.transport import Finding, Handover, Stage
from paquebot.vault.pgpy_sealer import PgpySealer
from paquebot_mail.answers import ACCOUNT, Kind
from paquebot_mail.bounces import read_report, settle
from paquebot_mail.form import part_id
from paquebot_mail.pace import Accepted, Limits, Pace
from paquebot_mail.reading import Damaged, heading, parcel

FILES = Path(make_mails.HERE)
INDEX = json.loads((FILES / "index.json").read_text())
CASES = dict(make_mails.cases())
BOUNCES = {name: (data, said, ours) for name, data, said, ours in make_mails.bounces()}
SEALER = PgpySealer(BOB)
PART = make_mails.part().decode()
NOW = 1_796_000_000_000


def named(end: str) -> list[str]:
    return [name for name in CASES if name.startswith(f"{end}--")]


def test_there_are_enough_of_them():
    assert len(CASES) >= 120
    assert len(BOUNCES) >= 20
    assert min(len(named(end)) for end in ("opens", "harmed", "nothing", "sealed")) >= 7


def test_the_files_are_what_the_generator_writes():
    kept = {name: data for name, data in CASES.items() if len(data) <= make_mails.KEPT_BYTES_MAX}
    kept |= {f"bounce--{name}": data for name, (data, _, _) in BOUNCES.items()}
    assert {path.stem: path.read_bytes() for path in FILES.glob("*.eml")} == kept
    assert INDEX["harmed"] == make_mails.REASONS
    assert INDEX["bounces"] == {name: {"recipients": said, "ours": ours} for name, (_, said, ours) in BOUNCES.items()}


def test_every_reason_occurs():
    assert {name.split("--")[1] for name in named("harmed")} == set(make_mails.REASONS)


@pytest.mark.parametrize("name", named("opens"))
def test_what_opens_brings_the_envelope_byte_for_byte(name: str):
    found = parcel(CASES[name])
    assert found is not None
    assert found.data == (make_mails.COVERED if "inside" in name else make_mails.PARCEL)
    assert found.part == part_id(found.data)
    assert SEALER.open(found.data, PINS, now=OPENED).bundle == BUNDLE


@pytest.mark.parametrize("name", named("harmed"))
def test_what_is_harmed_says_so_and_nothing_of_what_is_in_it(name: str):
    with pytest.raises(Damaged) as damage:
        parcel(CASES[name])
    assert str(damage.value) == make_mails.REASONS[name.split("--")[1]]


@pytest.mark.parametrize("name", named("sealed"))
def test_what_the_seal_refuses_is_brought_to_it(name: str):
    found = parcel(CASES[name])
    assert found is not None
    with pytest.raises(Refused) as refusal:
        SEALER.open(found.data, PINS, now=OPENED)
    assert refusal.value.code == name.split("--")[1]


@pytest.mark.parametrize("name", named("nothing"))
def test_what_brings_nothing_is_left_alone(name: str):
    assert parcel(CASES[name]) is None


@pytest.mark.parametrize("name", named("opens"))
def test_the_scan_sees_whether_a_mail_may_be_ours(name: str):
    head = CASES[name].partition(b"\r\n\r\n")[0] if b"\r\n\r\n" in CASES[name] else CASES[name].partition(b"\n\n")[0]
    found = heading(head)
    assert found is not None
    assert not found.report
    exceptions = ("part-gone", "part-twice", "part-of-another", "part-of-a-later-version", "forwarded", "with-a-mail")
    if not any(each in name for each in exceptions):
        assert found.part == PART
    assert found.sender == ("" if "sender-twice" in name else "alice@a.example")


MEASURE = """
import resource, sys, time
sys.path.insert(0, sys.argv[1])
from tests.unit.test_mail_corpus import CASES
from paquebot_mail.bounces import read_report
from paquebot_mail.reading import Damaged, parcel
before, slowest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, ("", 0.0)
for name, data in CASES.items():
    start = time.process_time()
    try:
        parcel(data)
    except Damaged:
        pass
    read_report(data)
    slowest = max(slowest, (name, time.process_time() - start), key=lambda each: each[1])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, *slowest)
"""


def test_no_mail_costs_much_time_or_memory():
    root = str(Path(__file__).parents[2])
    done = subprocess.run([sys.executable, "-c", MEASURE, root], capture_output=True, text=True, check=True)
    kib, name, seconds = done.stdout.split()
    assert int(kib) <= 32 * 1024
    assert float(seconds) < 1, name


# -- reports --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BOUNCES)
def test_a_report_says_what_it_says(name: str):
    data, said, ours = BOUNCES[name]
    found = read_report(data)
    if said is None:
        assert found is None
        return
    assert found is not None
    assert [[each.address, each.action, each.status, each.said] for each in found.recipients] == said
    assert (found.part == PART) == ours


@pytest.mark.parametrize("name", BOUNCES)
def test_a_report_on_what_went_slows_its_recipient_down_and_counts_once(name: str, tmp_path: Path):
    data, said, ours = BOUNCES[name]
    context = MemoryContext(tmp_path, now=NOW)
    pace = Pace(context, "alice@a.example", Limits(), lambda _low, _high: 1.0)
    pace.accepted(PART, Accepted("ab" * 16, "bob@b.example", NOW, 2_000_000))
    found = read_report(data)
    news = list(settle(found, pace)) if found else []
    bad = bool(said and ours and said[0][1] == "failed")
    assert [each.stage for each in news if isinstance(each, Handover)] == [Stage.LOST] * bad
    assert len([each for each in news if isinstance(each, Finding)]) == (name == "delayed")
    wait = pace.waiting("bob@b.example")
    assert (wait is not None) == (bad and name != "too-large")
    assert pace.waiting() is None, "nobody can stop an account by writing to it"
    if wait:
        assert Kind(wait.kind) not in ACCOUNT
        assert wait.until - NOW <= 24 * 3_600_000
    assert list(settle(found, pace)) == [] if found and bad else True


def test_a_report_that_mails_are_too_large_makes_them_small_but_not_tiny(tmp_path: Path):
    context = MemoryContext(tmp_path, now=NOW)
    pace = Pace(context, "alice@a.example", Limits(), lambda _low, _high: 1.0)
    report = read_report(BOUNCES["too-large"][0])
    assert report is not None
    for _ in range(30):
        pace.accepted(PART, Accepted("ab" * 16, "bob@b.example", NOW, pace.mail_bytes_max))
        assert list(settle(report, pace))
    assert pace.mail_bytes_max == 512 << 10


def test_a_report_on_what_never_went_is_nothing(tmp_path: Path):
    pace = Pace(MemoryContext(tmp_path, now=NOW), "alice@a.example", Limits(), lambda _low, _high: 1.0)
    report = read_report(BOUNCES["as-the-standard-says"][0])
    assert report is not None
    assert list(settle(report, pace)) == []
    assert pace.waiting("bob@b.example") is None


def test_what_went_is_remembered_as_long_as_reports_may_come_and_no_longer(tmp_path: Path):
    context, day = MemoryContext(tmp_path, now=NOW), 24 * 3_600_000
    for each in range(40):
        pace = Pace(context, "alice@a.example", Limits(), lambda _low, _high: 1.0)
        for number in range(3):
            pace.accepted(f"{each} {number}", Accepted("ab" * 16, "bob@b.example", context.now, 1_000))
        remembered = [past for past in range(each + 1) if pace.find(f"{past} 1")]
        assert remembered == list(range(max(0, each - 10), each + 1))
        context.now += day
    assert len([key for key in context.state if "/sent/" in key]) <= 33
    context.now -= 400 * day
    pace = Pace(context, "alice@a.example", Limits(), lambda _low, _high: 1.0)
    assert not [key for key in context.state if "/sent/" in key], "dated by a clock that was far ahead"
    assert pace.room_ms(100) == 0
