"""What of a user's trusts and revocations counts: a pure function of those that are held, in whatever order they came.

A trust gives no more, and for no longer, than its giver has. A revocation cuts off what its target gave: by a line of
the node's journal if it names one, else by its stamp. Revocations are weighed in one order for everybody: the user's
own first, then those of nodes, nearer ones before delegates, each by stamp and name; one that was cut off by an earlier
one has no effect. Revocations cannot be revoked.

So only revocations of trusts and identities on which others lean bear on these, and those are few. Any other takes back
one resource, or what one trust gives, whatever comes before or after it: a new one is weighed alone, however many there
are.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol, TypeAlias

from paquebot.errors import Expired, NotPermitted
from paquebot.frozen import frozen
from paquebot.protocol.encoding import Fingerprint, LineId, ResourceId
from paquebot.protocol.limits import ENDINGS_MAX, REVOCATIONS_MAX, TRUST_DEPTH_MAX, TRUSTS_MAX
from paquebot.protocol.ranges import Ranges
from paquebot.protocol.resource import Resource
from paquebot.protocol.stamp import Millis, Stamp
from paquebot.protocol.trust import CREATE_TRUST, REVOKE, Ending, Revocation, Trust, revocation_of, trust_of

Place = Callable[[Ending, ResourceId], bool | None]
"""Says whether a resource stands in a node's journal up to the line of an ending; None if that is not known here."""

Order: TypeAlias = tuple[int, Stamp, ResourceId]


@frozen
class Claim:
    """A signed resource of the user, as far as authority is concerned."""

    id: ResourceId
    signer: Fingerprint
    authority: ResourceId | None
    stamp: Stamp

    @classmethod
    def of(cls, resource: Resource) -> Claim:
        """Return what *resource* claims."""
        stamp = resource.about.stamp if resource.about else Stamp(Millis(0))
        return cls(resource.id, resource.signed.signer, resource.trust, stamp)


class Authority:
    """One user's trusts and revocations, weighed. *identities* are those published for the user, by resource."""

    def __init__(
        self,
        user: Fingerprint,
        trusts: Iterable[Trust],
        revocations: Iterable[Revocation],
        identities: Mapping[ResourceId, Fingerprint],
        place: Place,
    ) -> None:
        self.user = user
        self.trusts = {trust.id: trust for trust in trusts}
        self.revocations: dict[ResourceId, Revocation] = {}
        """Those that have an effect."""
        revocations = list(revocations)
        self._identities = dict(identities)
        self._place = place
        self._counts = Counter((self._sort(each), each.signer == user) for each in revocations)
        self._counts.update(("trust", each.signer == user) for each in self.trusts.values())
        self._counts.update(("trust", signer == user) for signer in identities.values())
        self._leaned: set[ResourceId | None] = {trust.authority for trust in self.trusts.values()}
        """What trusts and revocations lean on."""
        self._targets: set[ResourceId] = set()
        self.endless: set[ResourceId] = set()
        """Revocations, with an effect or without, that end no journal."""
        for revocation in revocations:
            self._note(revocation)
        self._chains: dict[ResourceId, tuple[Trust, ...]] = {}
        self.unconditional: set[ResourceId] = set()
        """Those among them whose signer may revoke what others published."""
        self._buried: dict[ResourceId, dict[Fingerprint | None, Revocation]] = {}
        """By target, the first revocation of each signer; under None the first that is unconditional."""
        self._cuts: dict[str, list[Revocation]] = {}
        """By trust, or by identity that was revoked, without those that change nothing beside earlier ones."""
        self._cutting: dict[str, list[Revocation]] = {}
        """The same, with these."""
        self.ended: set[Fingerprint] = set()
        """Nodes whose lines decide what counts."""
        self._to: dict[Fingerprint, list[Trust]] = {}
        for trust in self.trusts.values():
            self._to.setdefault(trust.trustee, []).append(trust)
        for revocation in sorted(revocations, key=self._order):
            self._weigh(revocation)

    def full(self, deed: Deed, signer: Fingerprint) -> bool:
        """Return whether there are so many already that *deed*, signed by *signer*, is not taken.

        What the user's own key signed is counted apart: whatever a node floods us with, its user can still revoke it.
        """
        sorts = {self._sort(deed.revocation)} if deed.revocation else set()
        sorts |= {"trust"} if deed.trust or deed.identity else set()
        most = {"revoke": REVOCATIONS_MAX}
        return any(self._counts[sort, signer == self.user] >= most.get(sort, TRUSTS_MAX) for sort in sorts)

    def _sort(self, revocation: Revocation) -> str:
        """How a revocation is counted: for each that bears on others, all are weighed again."""
        return "cut" if self.bearers(revocation.target) else "revoke"

    def bearers(self, target: ResourceId) -> set[Fingerprint]:
        """Return whose deeds *target* lets count, if it is a trust or an identity."""
        trust, identity = self.trusts.get(target), self._identities.get(target)
        return ({trust.trustee} if trust else set()) | ({identity} if identity else set())

    def _bears(self, revocation: Revocation) -> bool:
        """Whether trusts or other revocations may lean on what *revocation* takes."""
        who = self.bearers(revocation.target)
        return self.user in who or any(trust.id in self._leaned for each in who for trust in self._to.get(each, ()))

    def add(self, deed: Deed) -> bool:
        """Take *deed* in as well; return whether that was possible: not if it bears on what was weighed before."""
        trust, revocation, identity = deed.trust, deed.revocation, deed.identity
        if deed.id in self._leaned or deed.id in self._targets:
            return False
        if revocation and (trust or identity or self._bears(revocation)):
            return False
        if trust:
            self.trusts[trust.id] = trust
            self._chains.pop(trust.id, None)
            self._to.setdefault(trust.trustee, []).append(trust)
            self._leaned.add(trust.authority)
            self._counts["trust", trust.signer == self.user] += 1
        if identity:
            self._identities[deed.id] = identity
            self._counts["trust", identity == self.user] += 1
        if revocation:
            self._note(revocation)
            self._counts[self._sort(revocation), revocation.signer == self.user] += 1
            self._weigh(revocation)
        return True

    def _note(self, revocation: Revocation) -> None:
        self._targets.add(revocation.target)
        self._leaned.update((revocation.authority, revocation.authorization))
        self.endless |= set() if revocation.ending else {revocation.id}

    def joined(self, trusts: Iterable[Trust]) -> Authority:
        """Return what would count if *trusts* of this user, which may not be held, were held too."""
        held = self.trusts.values()
        return Authority(self.user, [*held, *trusts], self.revocations.values(), self._identities, self._place)

    # -- chains ---------------------------------------------------------------------

    def chain(self, trust: ResourceId | None) -> tuple[Trust, ...]:
        """Return *trust* and those by which it was given, up to one of the user's own; empty if it leads nowhere."""
        if trust is None:
            return ()
        if trust not in self._chains:
            self._chains[trust] = self._follow(trust)
        return self._chains[trust]

    def _follow(self, name: ResourceId | None) -> tuple[Trust, ...]:
        found: list[Trust] = []
        while len(found) < TRUST_DEPTH_MAX and name is not None and (trust := self.trusts.get(name)):
            if found and (trust.trustee != found[-1].signer or CREATE_TRUST not in trust.rights):
                return ()
            found.append(trust)
            if trust.signer == self.user:
                return tuple(found)
            name = trust.authority
        return ()

    def rights(self, trust: Trust) -> frozenset[str]:
        """Return what *trust* gives: of what it names, that which each of its givers has too."""
        chain = self.chain(trust.id)
        return frozenset(trust.rights).intersection(*(each.rights for each in chain)) if chain else frozenset()

    def expires(self, trust: Trust) -> Millis | None:
        """Return when *trust* ends: not later than the trust of any of its givers."""
        return min((each.expires for each in self.chain(trust.id) if each.expires is not None), default=None)

    def _order(self, revocation: Revocation) -> Order:
        """Where a revocation stands among all: first by how far from the user the revoker does."""
        own = revocation.signer == self.user
        rank = 0 if own else len(self.chain(revocation.authority)) or TRUST_DEPTH_MAX + 1
        return rank, revocation.stamp, revocation.id

    # -- what revocations do ------------------------------------------------------------

    def _weigh(self, revocation: Revocation) -> None:
        order = self._order(revocation)
        claim = Claim(revocation.id, revocation.signer, revocation.authority, revocation.stamp)
        if order[0] > TRUST_DEPTH_MAX or self.cut(claim, order):
            return
        self.revocations[revocation.id] = revocation
        if claim.signer == self.user or self._may_revoke(claim, revocation.authorization, order):
            self.unconditional.add(revocation.id)
        self._bury(revocation, revocation.signer)
        if revocation.id in self.unconditional:
            self._bury(revocation, None)
        trust, identity = self.trusts.get(revocation.target), self._identities.get(revocation.target)
        if revocation.id in self.unconditional or claim.signer == (trust.signer if trust else identity):
            for name in (trust and trust.id, identity):
                if name:
                    self._cut_by(name, revocation)

    def _bury(self, revocation: Revocation, signer: Fingerprint | None) -> None:
        found = self._buried.setdefault(revocation.target, {})
        found[signer] = min(found.get(signer, revocation), revocation, key=self._order)

    def _cut_by(self, name: str, revocation: Revocation) -> None:
        """Note that *revocation* cuts off what *name* gives."""
        every = self._cutting.setdefault(name, [])
        insort(every, revocation, key=self._order)
        if every[-1] is revocation:
            self._cut_also(name, revocation)
            return
        self._cuts[name] = []
        for each in every:
            self._cut_also(name, each)

    def _cut_also(self, name: str, revocation: Revocation) -> None:
        """Let *revocation* cut off what *name* gives, unless one of those before it does so wherever it does."""
        found, ending = self._cuts.setdefault(name, []), revocation.ending
        if any(each.ending == ending and each.stamp <= revocation.stamp for each in found):
            return
        if ending is None or sum(each.ending is not None for each in found) < ENDINGS_MAX:
            found.append(revocation)
            self.ended |= {ending.node} if ending else set()

    def _may_revoke(self, claim: Claim, authorization: ResourceId | None, order: Order) -> bool:
        trust = self.trusts.get(authorization) if authorization else None
        if trust is None or trust.trustee != claim.signer or REVOKE not in self.rights(trust):
            return False
        ends = self.expires(trust)
        return (ends is None or claim.stamp.at < ends) and not self.cut(replace(claim, authority=trust.id), order)

    def buries(self, resource: ResourceId, signer: Fingerprint | None = None) -> Revocation | None:
        """Return the first revocation that takes *resource* back; *signer* signed it, if that is known."""
        found = self._buried.get(resource, {})
        return min((found[who] for who in {None, signer} if who in found), key=self._order, default=None)

    def cuts(self, trust: Trust) -> tuple[Revocation, ...]:
        """Return the revocations of *trust* itself, of its trustee's identity, and of the user's."""
        return tuple(each for name in (trust.id, trust.trustee, self.user) for each in self.against(name))

    def against(self, name: str) -> Sequence[Revocation]:
        """Return the revocations of one trust or one identity."""
        return self._cuts.get(name, ())

    def ending(self, node: Fingerprint) -> Ending | None:
        """Return the first line at which a revocation ended *node*'s journal, if one did."""
        found = (each.ending for trust in self._to.get(node, ()) for each in self.cuts(trust))
        return min((each for each in found if each and each.node == node), key=lambda each: each.number, default=None)

    def weight(self, trust: Trust) -> tuple[ResourceId, ...]:
        """Return the revocations that bear on what *trust* gives: two authorities with the same judge it alike."""
        return tuple(each.id for link in self.chain(trust.id) for each in self.cuts(link))

    # -- what counts ----------------------------------------------------------------------

    def check(self, claim: Claim, right: str, at: Millis) -> None:
        """Raise `NotPermitted` or `Expired` unless, revocations apart, *claim* had *right* at the moment *at*."""
        if claim.signer == self.user:
            return
        trust = self.trusts.get(claim.authority) if claim.authority else None
        if trust is None:
            raise NotPermitted("a node signed a resource without naming the trust that allows it")
        trust.check(right, self.user, claim.signer, at)
        if right not in self.rights(trust):
            raise NotPermitted(f"whoever gave the signer {right} did not have it, or the chain of trusts is too long")
        ends = self.expires(trust)
        if ends is not None and at >= ends:
            raise Expired("a trust by which the signer's was given has expired")

    def cut(self, claim: Claim, order: Order | None = None) -> Revocation | None:
        """Return the revocation that cuts off *claim*, if one does; with *order*, one that stands before that."""
        for each in self.against(self.user):
            if (order is None or self._order(each) < order) and not self._before(each, claim):
                return each
        for trust in self.chain(claim.authority) if claim.signer != self.user else ():
            for each in self.cuts(trust):
                if (order is None or self._order(each) < order) and not self._before(each, claim):
                    return each
            claim = Claim(trust.id, trust.signer, trust.authority, trust.stamp)
        return None

    def _before(self, revocation: Revocation, claim: Claim) -> bool:
        """Whether *claim* was made before *revocation* took effect."""
        ending = revocation.ending
        if ending is not None and ending.node == claim.signer:
            placed = self._place(ending, claim.id)
            if placed is not None:
                return placed
        # What has no stamp cannot be shown to have been there before.
        return claim.stamp.at > 0 and claim.stamp < revocation.stamp

    # -- who may do what now ------------------------------------------------------------------

    def given(self, trustee: Fingerprint) -> list[Trust]:
        """Return the trusts to *trustee* that nothing was taken back of, by stamp."""
        found = (each for each in self._to.get(trustee, ()) if self._stands(each))
        return sorted(found, key=lambda each: (each.stamp, each.id))

    def _stands(self, trust: Trust) -> bool:
        claim = Claim(trust.id, trust.signer, trust.authority, trust.stamp)
        return bool(self.chain(trust.id)) and not self.cuts(trust) and not self.cut(claim)

    def grants(self, right: str, trustees: Iterable[Fingerprint], at: Millis | None) -> bool:
        """Return whether one of *trustees* has *right* at *at*; with None, expiry is not looked at."""
        return any(
            right in self.rights(trust) and (at is None or (ends := self.expires(trust)) is None or at < ends)
            for trustee in trustees
            for trust in self.given(trustee)
        )

    def dismissed(self, node: Fingerprint, at: Millis | None) -> Millis | None:
        """Return since when *node*, which the user had trusted, is not trusted any more; None if it is, or never was.

        With *at* None, expiry is not looked at.
        """
        trusts = self._to.get(node, ())
        if not trusts:
            return None
        ends: list[Millis] = []
        for trust in trusts:
            expires = self.expires(trust)
            if self._stands(trust) and (at is None or expires is None or at < expires):
                return None
            cuts = [each.stamp.at for each in self.cuts(trust)]
            ends.append(min([*cuts, *([expires] if expires is not None else [])], default=trust.stamp.at))
        return max(ends)


class AuthorityView(Protocol):
    """What is known of who may do what, and of what was taken back or refused. Nothing of it writes."""

    def authority(self, user: Fingerprint) -> Authority:
        """Return what counts of the trusts and revocations of *user* that are held."""

    def origin(self, resource: ResourceId) -> tuple[Fingerprint, str] | None:
        """Return for whom a held resource was published, and its kind."""

    def stamped(self, resource: ResourceId) -> Millis:
        """Return the moment of a held resource's stamp; 0 if it has none."""

    def signed_by(self, user: Fingerprint, signer: Fingerprint) -> Sequence[ResourceId]:
        """Return the held resources that *signer* published for *user*."""

    def dated_after(self, signer: Fingerprint, moment: Millis) -> Sequence[ResourceId]:
        """Return what is held, counts, and was dated after *moment* by *signer*, in the order it came."""

    def may_end(self, user: Fingerprint) -> Sequence[ResourceId]:
        """Return what is held of *user* that can end a node, endings and revocations, in the order it came."""

    def hidden(self, resource: ResourceId) -> ResourceId | None:
        """Return the revocation because of which a held resource does not count."""

    def set_aside(self, digest: bytes) -> bool:
        """Return whether bytes with that SHA-256 were set aside."""

    def hidden_lines(self, first: int, last: int) -> Ranges:
        """Return those of our lines from *first* to *last* whose resources do not count."""

    def urgent_lines(self, first: int, last: int) -> Ranges:
        """Return those of our lines from *first* to *last* that decide about other resources."""


class Journals(Protocol):
    """Where lines are looked up."""

    def line_id(self, journal: Fingerprint, number: int) -> LineId | None:
        """See `View.line_id`."""

    def naming(self, resource: ResourceId) -> Sequence[tuple[Fingerprint, int]]:
        """See `View.naming`."""


def placed(journals: Journals, ending: Ending, resource: ResourceId) -> bool | None:
    """Return whether *resource* stands in the ended node's journal up to its end; None if that is not known here.

    It is known if the journal is, to that very line: a copy that says something else there is of another branch.
    """
    if journals.line_id(ending.node, ending.number) != ending.line:
        return None
    return any(who == ending.node and number <= ending.number for who, number in journals.naming(resource))


@frozen
class Deed:
    """What one resource proves: a trust, a revocation, an identity, or several of these."""

    id: ResourceId
    trust: Trust | None
    revocation: Revocation | None
    identity: Fingerprint | None

    @classmethod
    def of(cls, resource: Resource) -> Deed:
        """Return what *resource* proves."""
        keeps = resource.container.keeps
        return cls(
            resource.id,
            trust_of(resource) if keeps("trust") else None,
            revocation_of(resource) if keeps("revoke") else None,
            resource.signed.signer if keeps("identity") else None,
        )


def weigh(user: Fingerprint, proofs: Collection[Deed], place: Place) -> Authority:
    """Return the authority that follows from all *proofs* of *user* that are held."""
    return Authority(
        user,
        [each.trust for each in proofs if each.trust],
        [each.revocation for each in proofs if each.revocation],
        {each.id: each.identity for each in proofs if each.identity},
        place,
    )
