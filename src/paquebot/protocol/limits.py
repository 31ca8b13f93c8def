"""Every number that bounds something, in one place, each with its why."""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

# Sizes.
ENVELOPE_BYTES_MAX = 8 * MIB  # memory and stalls stay small; larger content travels as chunks
BUNDLE_BYTES_MAX = 8 * MIB  # what an envelope may unpack to: declared and checked before a byte is allocated
BUNDLE_BYTES_AIM = MIB  # what we fill an envelope to
CHUNK_BYTES = MIB - 4 * KIB  # of a large file; with its header, one chunk pads to an envelope of exactly 1 MiB
MESSAGE_BYTES_MAX = MIB  # of a resource that is not a file: it travels in one envelope
INLINE_BYTES_MAX = 30 * KIB  # a body up to this rides along with the line that announces it
ROW_BYTES_MAX = 64 * KIB  # larger bodies become files: a row would cost a second copy in the log
CONTAINER_BYTES_MAX = 2 * MIB  # of JSON; a manifest of 16 GiB has 700 kB
CONTAINER_DEPTH_MAX = 32  # JSON nesting; ours is at most 6
PARTS_MAX = 8_192  # per bundle; a person's month is a thousand
LETTER_BYTES_MAX = 16 * MIB  # of what a person wrote to us, with its pictures; it is read, and goes nowhere
RECIPIENTS_MAX = 64  # per envelope; each costs 96 bytes and a trial decryption
LINES_MAX = 4_096  # per broadcast
RUNS_MAX = 1_024  # ranges in one acknowledgement
CHUNK_BYTES_MAX = MIB  # a peer may cut differently
CHUNKS_PER_MANIFEST_MAX = 4_096  # above it, the manifest lists index blocks instead
FILE_BYTES_MAX = 1 << 46  # 64 TiB, what two levels of 1 MiB blocks can name, with room
HEARD_MAX = 2_048  # envelopes acknowledged at once; the rest when these are settled
REPLIES_MAX = 256  # answers owed to one peer; what it asks beyond that it may ask again
IN_FLIGHT_MAX = 256  # unanswered letters to one peer on a link that shows no tokens
SHARED_MAX = 256  # chunks of one file, named by others too, for each of which it is weighed who may have it; more later
REQUESTS_MAX = 64  # asked for in one envelope; more when these have come
ASK_SCAN_MAX = 1_024  # things looked at to find those that it is one peer's turn to be asked for
DOUBT_MAX = 4  # a peer that never keeps its word is asked after so many rounds of the others, not never
HELD_MAX = 10_000  # items waiting for something missing, per peer; then the sender still owes
HELD_BYTES_MAX = 64 * MIB  # and their payloads; eight full envelopes
LOOSE_MAX = 1_024  # chunks that no manifest names yet, per peer; manifests travel first, so few ever overtake theirs
LOOSE_BYTES_MAX = 64 * MIB  # and their bytes; one crate of a stick, in whatever order it is read
ASIDE_BYTES_MAX = 256 * MIB  # of refused bytes kept in all: evidence must not fill the disk
ASIDE_SENDER_BYTES_MAX = 64 * MIB  # and of one sender's: nobody's rubbish crowds out another's; eight full envelopes
ASIDE_MAX = 10_000  # refused pieces remembered in all, with or without their bytes
ASIDE_SENDER_MAX = 2_000
EVIDENCE_MAX = 512  # moments remembered of each sort and peer; older ones become one: "by then"
TRUST_DEPTH_MAX = 4  # a trust may be given by a delegate of a delegate; longer chains nobody could follow
TRUSTS_MAX = 1_024  # of one user, identities among them; as many by the user's own key, so that no node crowds it out
REVOCATIONS_MAX = 16_384  # the same of revocations: a person may take back much; of trusts, as many as there may be
ENDINGS_MAX = 16  # different lines at which one trust is revoked: what was ended so often is ended
NEEDS_ASKED_MAX = 16  # of what one item waits for, asked for at once
READERS_MAX = 1_024  # nodes with a key to one private resource; each costs 64 bytes, and a trial to every other
WRAPS_TRIED_MAX = 1_024  # keys to one private resource, the first that came: each costs a trial whenever it is shown
WRAPS_MAX = 1_024  # written in one run for nodes that came later; more in the next

EVENTS_MAX = 10_000  # of what happened, kept for `log`; a busy year
EVENTS_AGE_MS = 400 * DAY_MS  # a year and what a person needs to ask about it
ERRANDS_MAX = 10_000  # waiting to be done outside; events wait for those to be done
EVENT_DETAIL_MAX = 300  # characters

# What one peer may send, and is answered, in a window, unless config.toml says otherwise: met by no one in daily life.
GRANT_WINDOW_MS = HOUR_MS
GRANT_WINDOW_MAX_MS = 31 * DAY_MS  # a peer that says more means no good: it would silence us
LIMIT_MEGABYTES_MIN = 16  # two full envelopes; less would only break what works
ADVERT_FIELDS_MAX = 64  # newer versions may say more
GRANT_ENVELOPES = 20_000
GRANT_BYTES = 16 * 1024 * MIB
GRANT_ITEMS = 200_000  # a person's life of notes; each costs a signature check
ANSWER_BYTES = 16 * 1024 * MIB  # of what was asked for or is sent again: what a request of 1 kB can cost us
RESERVED_SHARE = 10  # one more tenth is kept for keys, trusts and revocations
RESERVED_MIN = 16
RESERVED_BYTES_MAX = 8 * KIB  # none of them is larger

# Strangers.
INTRODUCED_MAX = 16  # resources on a card that introduces; ours has six
INTRODUCTION_BYTES_MAX = 24 * KIB  # of their payloads; ours has 3 kB, one with RSA keys 6
PENDING_MAX = 64  # strangers who wait for a person's word; the next waits with the carrier
ROUTES_MAX = 8  # that one node names: carriers of different kinds, and a spare one
NODES_MAX = 16  # of one user who are pinned unasked; each costs us letters
STRANGERS_WINDOW_MS = DAY_MS  # however often anybody looks
STRANGERS_READ_MAX = 1_024  # introductions read in one window: each costs some ms; the next are read in the next
STRANGERS_KEPT_MAX = 64  # unreadable ones set aside in one window; what lies beyond that stays with the carrier

# What is carried for others, besides the quotas of config.toml.
CARRIED_MAX = 16_384  # parcels of one rank; each costs a row and a file
CARRIED_KNOWN_MAX = 16_384  # parcels known and not kept, so that they are not taken along again
CARRY_HOPS_MAX = 15  # what the outside of a parcel can say
CARRY_DAYS_MAX = 3_650
TOKENS_MAX = 16_384  # shown, and remembered though nothing waits for them yet; the latest
COPIES_MAX = 64  # media that one parcel is put on: whom it has not met by then it will hardly meet
SPARE_SHARE = 0.8  # of what is free, here or on a medium, that carrying may take: the rest is its owner's
STALE_MS = 400 * DAY_MS  # what ran out so long ago was dated by a wrong clock, rather than forgotten in a drawer
LOTS_MAX = 256  # of contacts, remembered until all that lies in them was looked at

# Schemas that people publish; ours are trusted.
SCHEMA_BYTES_MAX = 256 * KIB
SCHEMA_NODES_MAX = 10_000  # its parts, also with every reference replaced by what it names
SCHEMA_DEPTH_MAX = 64  # the same; a validator recurses
PATTERN_LENGTH_MAX = 256
PATTERNS_MAX = 64
PATTERN_BYTES_MAX = 16 * KIB  # of a compiled regular expression: matching costs up to 0.2 us a character
SCHEMA_WORK_MAX = 1_500_000  # comparisons of one value with one schema: about a second at the worst

# Text from people and peers.
NAME_MAX = 100
TITLE_MAX = 300
FILENAME_MAX = 255
TAG_MAX = 100
TAGS_MAX = 64
AFTER_MAX = 256

# Time.
RELEASED_MS = 1_795_132_800_000  # 2026-11-20: no clock that shows less can be right
LATEST_MS = RELEASED_MS + 50 * 365 * DAY_MS  # no clock that shows more can be right either
LEAP_MS = 5 * 365 * DAY_MS  # a clock further beyond all that is known is wrong, or its node was asleep for long
ELAPSED_MAX_MS = 366 * DAY_MS  # a wrong clock that went on by more was set to another time, and tells nothing
AHEAD_MAX_MS = DAY_MS  # a stamp further ahead waits until it is due and never moves our clock
SKEW_MS = 48 * HOUR_MS  # allowance on envelope signatures: sticks meet clocks that nobody set
ENVELOPE_LIFE_MS = 120 * DAY_MS  # no carrier need keep an envelope longer
IDENTITY_LIFE_MS = 3_652 * DAY_MS
BACKOFF_FIRST_MS = MINUTE_MS
BACKOFF_LAST_MS = DAY_MS
ASK_AGAIN_MS = 6 * HOUR_MS  # a request that cannot have been answered yet is not repeated sooner
GIVE_UP_MS = 180 * DAY_MS  # who answers nothing on a medium for so long is given up there: sticks do not fill up
GIVE_UP_FACTOR = 10  # and not before so many latencies of it
PROBE_MS = 30 * DAY_MS  # who was given up gets a small letter so often
ASK_LAST_MS = 30 * DAY_MS  # what nobody gave is asked for ever less often, down to this
ASK_WRONG_MS = 2 * ASK_LAST_MS  # what is put off for longer, a clock dated that was far ahead: it is asked for now
DENIED_MS = 30 * DAY_MS  # who said "not found" is not asked for that again sooner; something else may change before
SILENCE_FACTOR = 3  # a peer is silent for "long" after this many latencies of its link, and at least a day
