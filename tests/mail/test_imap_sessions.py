"""What IMAP servers do, scripted: each session ends with every parcel applied once, and no other mail touched.

What is done with is kept, moved, or expunged: each story is told for one of them, and for all three with SOAK=1.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from tests.labs.mail.imapd import CAPABILITIES, Box, Item, ScriptedImap, chosen
from tests.labs.mail.loop import Cut, Silence
from tests.mail.boxes import PEER, Reader, mail_of, personal

from paquebot.errors import Transient
from paquebot_mail.settings import Retire

DAY_MS = 24 * 3_600_000
SMALL = [b"parcel %d " % number * 40 for number in range(6)]
LARGE = random.Random(7).randbytes(1_800_000)
RETIRE = {"keep": Retire("keep"), "move": Retire("move", "Done"), "expunge": Retire("expunge")}
VERBS = ("CAPABILITY", "AUTHENTICATE", "LIST", "EXAMINE", "UID FETCH", "SELECT", "UID STORE", "UID EXPUNGE", "UID MOVE")


@dataclass
class World:
    """A mailbox with ours and a person's mails in it, and a server that does as the story says."""

    server: ScriptedImap
    reader: Reader
    parcels: list[bytes] = field(default_factory=lambda: [*SMALL, LARGE])
    hooks: list[Callable] = field(default_factory=list)
    quirks: list[Callable] = field(default_factory=list)
    between: Callable[[int], None] = lambda number: None
    """Is called after each visit, with its number from 1."""
    others: list[Reader] = field(default_factory=list)
    """Who visit at the same time."""
    visits: int = 8

    @property
    def readers(self) -> list[Reader]:
        return [self.reader, *self.others]

    @property
    def inbox(self) -> Box:
        return self.server.boxes["INBOX"]

    def fill(self) -> None:
        mails = [mail_of(parcel) for parcel in self.parcels]
        for number, mail in enumerate(mails):
            self.inbox.add(personal(number), mail)
        self.inbox.items[2].flags.add("\\Deleted")
        self.inbox.items[4].flags.add("\\Flagged")

    def rules(self, verb, argument, session):
        for hook in self.hooks:
            lines = hook(verb, argument, session)
            if lines is not None:
                return lines
        return None

    def quirk(self, chunk):
        for quirk in self.quirks:
            chunk = quirk(chunk)
            if chunk is None:
                return None
        return chunk

    def on(self, verb, do, *, times=1, after=0, having=""):
        """Have *do* answer that verb when it comes for the *after*th time, and so often."""
        seen = [0]

        def hook(each, argument, session):
            if each != verb or having not in argument:
                return None
            seen[0] += 1
            return do(session) if after < seen[0] <= after + times else None

        self.hooks.append(hook)

    def lose_answer(self, verb, *, times=1):
        """Have the line break instead of the tagged answer to *verb*, which is done."""
        left = [times]

        def quirk(chunk):
            if left[0] and self.server.log and self.server.log[-1][1] == verb and b" OK done" in chunk:
                left[0] -= 1
                return None
            return chunk

        self.quirks.append(quirk)

    def change(self, what, by, *, times=1):
        """Have the server say *by* in place of *what* a few times."""
        left = [times]

        def quirk(chunk):
            if left[0] and what in chunk:
                left[0] -= 1
                return chunk.replace(what, by, 1)
            return chunk

        self.quirks.append(quirk)


STORIES: dict[str, Callable[[World], None]] = {}


ONLY: dict[str, str] = {}
"""What is done with mails in a story that needs it."""


def story(how=""):
    def register(tell):
        name = tell.__name__.replace("_", " ")
        STORIES[name] = tell
        if how:
            ONLY[name] = how
        return tell

    return register


def raising(error):
    def do(session):
        raise error

    return do


for each in VERBS:
    STORIES[f"BYE at {each}"] = lambda world, verb=each: world.on(verb, lambda _: [b"* BYE going down"])
    STORIES[f"cut before {each}"] = lambda world, verb=each: world.on(verb, raising(Cut))
    STORIES[f"cut after {each}"] = lambda world, verb=each: world.lose_answer(verb)
    STORIES[f"NO to {each}"] = lambda world, verb=each: world.on(verb, lambda _: [b"T NO not now"], times=2)
for each in ("EXAMINE", "UID FETCH", "UID MOVE"):
    STORIES[f"silence at {each}"] = lambda world, verb=each: (
        setattr(world.reader, "quiet_s", 0.4),
        world.on(verb, raising(Silence)),
    )


@story()
def nothing_special(world):
    pass


@story()
def bye_in_the_middle_of_a_fetch(world):
    world.reader.quiet_s = 0.5
    world.on("UID FETCH", lambda _: [b"* 2 FETCH (UID 2 BODY[]<0> {500}\r\nFrom: x", b"* BYE"], having="BODY.PEEK[]")


@story()
def cut_in_the_middle_of_a_literal(world):
    left = [3]

    def quirk(chunk):
        if left[0] and b"BODY[]" in chunk:
            left[0] -= 1
            world.server.quirk = lambda _: None
            world.between = lambda _: setattr(world.server, "quirk", world.quirk)
            return chunk[: len(chunk) // 2]
        return chunk

    world.quirks.append(quirk)


@story()
def another_uidvalidity_between_visits(world):
    world.between = lambda number: world.inbox.renumber(uidvalidity=2000 + number) if number < 4 else None


@story()
def another_uidvalidity_in_the_middle(world):
    world.on("UID FETCH", lambda _: world.inbox.renumber(uidvalidity=2000), having="BODY.PEEK[]")


@story()
def numbers_go_back_under_the_same_uidvalidity(world):
    def between(number):
        if number == 1:
            world.inbox.take(2, 4)
            world.inbox.renumber()
            world.inbox.add(mail_of(b"one more"))
            world.parcels.append(b"one more")

    world.between = between


@story()
def uidnext_is_not_said(world):
    world.inbox.says_uidnext = False


@story()
def uidnext_jumps_far(world):
    world.inbox.uidnext = 3_000_000_000


@story()
def numbers_lie_far_apart(world):
    for number, item in enumerate(world.inbox.items):
        item.uid = 1 + number * 100_003
    world.inbox.uidnext = 4_000_000


@story()
def uidvalidity_is_not_said(world):
    world.change(b"* OK [UIDVALIDITY", b"* OK [UIDNOTSTICKY", times=100)


def swapped(world):
    """Let each of ours and the person's mail before it change numbers, without a word."""
    for item in world.inbox.items:
        item.uid += 1 if item.uid % 2 else -1
    world.inbox.items.sort(key=lambda item: item.uid)


@story(how="expunge")
def numbers_are_swapped_before_mails_are_put_away(world):
    world.on("SELECT", lambda _: swapped(world))


@story(how="move")
def numbers_are_swapped_before_mails_are_moved(world):
    world.on("SELECT", lambda _: swapped(world))


@story()
def numbers_are_swapped_before_mails_are_fetched(world):
    world.on("UID FETCH", raising(Cut), having="BODY.PEEK[]")
    world.between = lambda number: swapped(world) if number == 1 else None


@story()
def some_are_expunged_before_they_are_fetched(world):
    world.parcels.append(b"gone")
    world.inbox.add(mail_of(b"gone"))
    uid = world.inbox.items[-1].uid
    world.on("UID FETCH", lambda _: world.inbox.take(uid), having="BODY.PEEK[]")
    world.parcels.remove(b"gone")


@story()
def a_person_deletes_ours_meanwhile(world):
    world.on("SELECT", lambda _: world.inbox.take(2, 4))


@story()
def a_person_moves_and_flags_meanwhile(world):
    def between(number):
        if number == 1:
            item = next(item for item in world.inbox.items if b"dinner-3" in item.data)
            item.flags |= {"\\Seen", "Later"}

    world.between = between


@story()
def unsolicited_news_of_other_mails(world):
    world.quirks.append(
        lambda chunk: (
            b"* 1 FETCH (FLAGS (\\Seen) UID 1)\r\n* 99 EXISTS\r\n* 1 RECENT\r\n" + chunk
            if b" FETCH (" in chunk
            else chunk
        )
    )


@story()
def bodies_that_nobody_asked_for(world):
    other = personal(9)
    world.quirks.append(
        lambda chunk: (
            b"* 1 FETCH (UID 1 BODY[]<0> {%d}\r\n%s)\r\n%s" % (len(other), other, chunk)
            if b" FETCH (" in chunk and b"BODY[]" in chunk
            else chunk
        )
    )


@story()
def expunges_are_told_in_the_middle(world):
    world.quirks.append(lambda chunk: b"* 1 EXPUNGE\r\n" + chunk if b" FETCH (" in chunk else chunk)


@story()
def the_number_comes_last(world):
    world.server._uid_last = True


@story()
def small_letters(world):
    world.quirks.append(lambda chunk: chunk.replace(b" FETCH (UID ", b" fetch (uid ").replace(b" OK [UID", b" ok [uid"))


@story()
def sizes_are_none(world):
    for item in world.inbox.items:
        item.size = 0


@story()
def sizes_are_far_too_large(world):
    for item in world.inbox.items:
        item.size = 9_000_000


@story()
def sizes_are_a_little_wrong(world):
    for item in world.inbox.items:
        item.size = len(item.data) + random.Random(item.uid).randint(-50, 50)


@story()
def pieces_are_not_known(world):
    def hook(verb, argument, session):
        return [b"T BAD what is that"] if verb == "UID FETCH" and "<0.16384>" in argument else None

    world.hooks.append(hook)


@story()
def pieces_come_unnamed(world):
    world.quirks.append(lambda chunk: chunk.replace(b"BODY[]<0>", b"BODY[]"))


@story()
def pieces_are_cut_wrongly(world):
    """All but the first begin a byte too late, as in a server that counts from one."""

    def hook(verb, argument, session):
        if verb == "UID FETCH" and "BODY.PEEK[]<" in argument and "<0." not in argument:
            uid, start, count = (int(each) for each in re.findall(r"\d+", argument))
            item = next(item for item in world.inbox.items if item.uid == uid)
            data = item.data[start + 1 : start + 1 + count]
            return [b"* 1 FETCH (UID %d BODY[]<%d> {%d}\r\n%s)" % (uid, start, len(data), data), b"T OK done"]
        return None

    world.hooks.append(hook)


@story()
def a_body_is_harmed_once(world):
    left = [2]

    def quirk(chunk):
        if left[0] and b"BEGIN PGP" in chunk:
            left[0] -= 1
            at = chunk.index(b"BEGIN PGP") + 60
            return chunk[:at] + bytes([chunk[at] ^ 1]) + chunk[at + 1 :]
        return chunk

    world.quirks.append(quirk)


@story()
def each_is_delivered_three_times(world):
    world.inbox.add(*[item.data for item in world.inbox.items if b"X-Paquebot" in item.data] * 2)


@story()
def it_delivers_again_what_was_retired(world):
    def between(number):
        if number < 3:
            world.inbox.add(*map(mail_of, SMALL))

    world.between = between


@story()
def a_forged_copy_comes_first(world):
    real = mail_of(b"the real one")
    forged = real[:-900] + b"x" * 300 + b"\r\n"
    world.inbox.add(forged, real)
    world.parcels.append(b"the real one")


@story()
def a_strangers_mail_looks_like_ours(world):
    strange = mail_of(b"strange", sender="who@evil.test")
    world.inbox.add(strange, strange.replace(b"From: ", b"From: <node@b.test>\r\nFrom: ", 1))


@story()
def the_header_is_a_bomb(world):
    world.inbox.add(
        b"X-Paquebot-Part: " + b"1 " * 500_000 + b"\r\n\r\nx\r\n",
        b"From: " + b"a@b," * 200_000 + b"\r\n\r\nx\r\n",
        b"".join(b"X-Paquebot-Part: 1 %d\r\n" % number for number in range(30_000)) + b"\r\nx\r\n",
        b"From: node@b.test\r\nX-Paquebot-Part: 1 \xff\xfe\x00\r\n\r\nx\r\n",
        b"From: node@b.test\rX-Paquebot-Part: 1 a\r\n\r\nx\r\n",
        b"\r\n",
        b"",
    )


@story()
def eight_bits_in_headers(world):
    world.inbox.add(b"From: J\xf6rg <friend@c.test>\r\nContent-Type: \xe2\x82\xac\r\n\r\nx\r\n")


@story()
def it_is_read_only(world):
    world.on("SELECT", lambda session: [b"* 7 EXISTS", b"* OK [UIDVALIDITY 1000]", b"T OK [READ-ONLY] look"], times=99)
    world.on("UID MOVE", lambda _: [b"T NO [NOPERM] read-only"], times=99)
    world.on("UID STORE", lambda _: [b"T NO [NOPERM] read-only"], times=99)
    world.on("UID COPY", lambda _: [b"T NO [NOPERM] read-only"], times=99)


@story()
def the_other_folder_is_full(world):
    world.on("UID MOVE", lambda _: [b"T NO [OVERQUOTA] full"], times=3)


@story()
def the_other_folder_cannot_be_made(world):
    world.on("CREATE", lambda _: [b"T NO [NOPERM] no"], times=2)


@story()
def the_folder_is_gone_for_a_while(world):
    world.on("EXAMINE", lambda _: [b"T NO [NONEXISTENT] gone"], times=2)


@story()
def it_cannot_move(world):
    world.server.capabilities = CAPABILITIES.replace(" MOVE", "")


@story()
def it_can_neither_move_nor_expunge_some(world):
    world.server.capabilities = CAPABILITIES.replace(" MOVE UIDPLUS", "")


@story()
def it_only_knows_login(world):
    world.server.capabilities = "IMAP4rev1"


@story()
def it_prompts_for_passwords(world):
    world.server.capabilities = "IMAP4rev1 AUTH=PLAIN MOVE UIDPLUS"


@story()
def it_warns_in_between(world):
    def quirk(chunk):
        busy = b"* NO your mailbox is nearly full {77}\r\n* BAD whatever\r\n* OK [ALERT] (\r\n"
        return busy + chunk if b" FETCH (" in chunk else chunk

    world.quirks.append(quirk)


@story()
def it_says_what_nobody_knows_yet(world):
    world.quirks.append(lambda chunk: b'* XNEW (1 "two" {3}\r\nabc)\r\n' + chunk if b" FETCH (" in chunk else chunk)


@story()
def it_lists_strange_folders(world):
    world.server.boxes |= {"a{5}": Box(), "(": Box(), "x" * 3000: Box(), "&*-": Box()}


@story()
def spam_cannot_be_opened(world):
    world.server.boxes["Junk"] = Box(attributes="\\Noselect \\Junk")
    world.on("EXAMINE", lambda _: [b"T NO no"], having="Junk", times=9)


@story()
def two_visits_at_once(world):
    world.others.append(Reader(world.reader.place.with_name("other"), 0, retire=world.reader.retire))


@story()
def one_mail_can_never_be_given(world):
    world.inbox.add(mail_of(b"never"))
    uid = world.inbox.items[-1].uid

    def hook(verb, argument, session):
        if verb != "UID FETCH" or "BODY.PEEK[]" not in argument:
            return None
        within = chosen(argument.partition(" ")[0], world.inbox)
        return [b"T NO internal error"] if uid in within else None

    world.hooks.append(hook)


@story()
def one_mail_always_breaks_the_line(world):
    world.inbox.items.insert(3, Item(world.inbox.uidnext, mail_of(b"poison")))
    world.inbox.uidnext += 1
    uid = world.inbox.items[3].uid
    world.inbox.items[3].uid = 4
    world.inbox.items[4].uid, uid = uid, 4

    def quirk(chunk):
        return None if b"UID 4 BODY[]" in chunk else chunk

    world.inbox.items.sort(key=lambda item: item.uid)
    world.quirks.append(quirk)
    world.visits = 16


@story()
def one_header_can_never_be_given(world):
    world.hooks.append(withheld(3))


@story()
def it_gives_nothing_for_a_while(world):
    world.inbox.uidnext = 5_000
    hook = refused("UID FETCH")
    world.hooks.append(hook)

    def between(number):
        if hook in world.hooks:
            assert len(world.server.asked("UID FETCH")) < 9, "it is not asked for one after the other"
            world.hooks.remove(hook)

    world.between = between


@story()
def it_gives_no_headers_for_a_while(world):
    world.inbox.uidnext = 3_000_000_000
    hook = refused("UID FETCH", having="HEADER")
    world.hooks.append(hook)

    def between(number):
        if hook in world.hooks:
            assert len(world.server.asked("UID FETCH")) < 200, "what is not there is not asked for"
            assert len(world.reader.findings) == 1
            world.hooks.remove(hook)
            world.reader.context.now += DAY_MS

    world.between = between


@story()
def the_header_of_a_wanted_mail_is_given_no_longer(world):
    world.on("UID FETCH", raising(Cut), having="BODY.PEEK[]")
    world.between = lambda number: world.hooks.append(withheld(4))
    world.parcels.remove(SMALL[1])


@story()
def one_of_two_copies_can_be_had_no_longer(world):
    world.on("UID FETCH", raising(Cut), having="BODY.PEEK[]")
    world.between = lambda number: world.hooks.append(withheld(4))
    world.inbox.add(mail_of(SMALL[1]))


@story()
def folders_are_never_listed(world):
    world.hooks.append(refused("LIST"))


def refused(verb, having=""):
    return lambda each, argument, session: [b"T NO not now"] if each == verb and having in argument else None


def withheld(uid):
    """Give no header that is asked for together with that of *uid*."""

    def hook(verb, argument, session):
        asked = verb == "UID FETCH" and "HEADER" in argument
        return [b"T NO internal error"] if asked and uid in chosen(argument.split(" ")[0], session.box) else None

    return hook


async def visits(world):
    await asyncio.gather(*(reader.visit() for reader in world.readers))


def told(world):
    """Run visits until three in a row went well; return whether they did."""
    calm = 0
    for number in range(1, world.visits + 1):
        try:
            asyncio.run(visits(world))
            calm += 1
        except Transient:
            calm = 0
        world.between(number)
        if calm == 3:
            return True
    return False


def sessions():
    soak = os.environ.get("SOAK")
    for number, name in enumerate(STORIES):
        for how in [ONLY[name]] if name in ONLY else RETIRE if soak else [list(RETIRE)[number % 3]]:
            yield pytest.param(name, how, id=f"{name}, {how}")


@pytest.mark.parametrize(("name", "how"), list(sessions()))
def test_a_session(name, how, tmp_path):
    box = Box()
    world = World(ScriptedImap({"INBOX": box}), Reader(tmp_path / "one", 0, retire=RETIRE[how]))
    world.fill()
    STORIES[name](world)
    world.server.rules, world.server.quirk = world.rules, world.quirk
    foreign = {item.data: set(item.flags) for item in box.items if b"dinner" in item.data}
    with world.server as server:
        for reader in world.readers:
            reader.port = server.port
        assert told(world) or "always" in name

    # Nothing is lost, and everything had its effect once.
    for reader in world.readers:
        assert set(reader.applied) <= set(world.parcels)
        assert len(reader.applied) == len(set(reader.applied))
    assert {parcel for reader in world.readers for parcel in reader.applied} == set(world.parcels)
    # No other mail was flagged, moved, deleted or downloaded.
    after = {item.data: item.flags for item in box.items}
    for mail, flags in foreign.items():
        assert after[mail] - {"\\Seen", "Later"} == flags
    assert not [mail for mail in server.given if b"X-Paquebot" not in mail or PEER.encode() not in mail]
    assert not [item for item in box.items if b"who@evil" in item.data and item.flags]
    assert not {verb for _, verb, _ in server.log} & {"EXPUNGE", "CLOSE", "STORE", "UNSELECT"}
    assert all("+FLAGS.SILENT (\\Deleted)" in argument for argument in server.asked("UID STORE"))
    assert how != "keep" or not server.asked("SELECT")
    assert not list(tmp_path.rglob("mail-*/*"))


def test_a_header_that_is_given_no_longer_keeps_no_other_mail_from_being_put_away(tmp_path):
    world = World(ScriptedImap(), Reader(tmp_path, 0, retire=RETIRE["expunge"]))
    world.fill()
    world.on("SELECT", raising(Cut))
    world.server.rules = world.rules
    with world.server as server:
        world.reader.port = server.port
        with pytest.raises(Transient):
            world.reader.run()
        ours = [item for item in world.inbox.items if b"X-Paquebot" in item.data]
        world.hooks.append(withheld(ours[0].uid))
        world.reader.run()
        assert [item for item in world.inbox.items if b"X-Paquebot" in item.data] == ours[:1]
        world.hooks.clear()
        world.reader.run()
    assert not [item for item in world.inbox.items if b"X-Paquebot" in item.data]
