-- One home may hold several nodes of several users: every row belongs to one of them, and nothing crosses.
-- Fingerprints are interned in `party`; times are Unix milliseconds; sets of numbers are JSON lists of first and last.

CREATE TABLE party (
    id INTEGER NOT NULL PRIMARY KEY,
    name BLOB NOT NULL UNIQUE
) STRICT;

CREATE TABLE local (
    node INTEGER NOT NULL PRIMARY KEY,
    user INTEGER NOT NULL,
    trust BLOB NOT NULL,
    name TEXT NOT NULL,
    clock_floor INTEGER NOT NULL,
    clock_wall INTEGER NOT NULL,
    stamp_at INTEGER NOT NULL,
    stamp_count INTEGER NOT NULL,
    chunks INTEGER NOT NULL
) STRICT;

CREATE TABLE peer (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    peer_user INTEGER NOT NULL,
    name TEXT NOT NULL,
    reads INTEGER NOT NULL,
    publishes INTEGER NOT NULL,
    added INTEGER NOT NULL,
    heard INTEGER NOT NULL,
    heard_id BLOB NOT NULL,
    done TEXT NOT NULL,
    acked TEXT NOT NULL,
    applied TEXT NOT NULL,
    known TEXT NOT NULL,
    owed_chunks TEXT NOT NULL,
    asked_chunks TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    received TEXT NOT NULL,
    floor INTEGER NOT NULL,
    told_number INTEGER NOT NULL,
    told_done TEXT NOT NULL,
    owes_ack INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    ask_at INTEGER NOT NULL,
    suspect INTEGER NOT NULL,
    PRIMARY KEY (node, peer)
) STRICT, WITHOUT ROWID;

CREATE TABLE line (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    journal INTEGER NOT NULL,
    number INTEGER NOT NULL,
    id BLOB NOT NULL,
    publisher INTEGER NOT NULL,
    resource BLOB NOT NULL,
    PRIMARY KEY (node, journal, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX line_id ON line (node, journal, id);
CREATE INDEX line_resource ON line (node, resource);

CREATE TABLE resource (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    number INTEGER NOT NULL,
    id BLOB NOT NULL,
    author INTEGER NOT NULL,
    kind TEXT NOT NULL,
    payload BLOB NOT NULL,
    payload_blob BLOB NOT NULL,
    payload_bytes INTEGER NOT NULL,
    signer INTEGER NOT NULL,
    algorithm TEXT NOT NULL,
    signature BLOB NOT NULL,
    verbatim BLOB NOT NULL,
    stamp_at INTEGER NOT NULL,
    stamp_count INTEGER NOT NULL,
    title TEXT NOT NULL,
    filename TEXT NOT NULL,
    tags TEXT NOT NULL,
    size INTEGER NOT NULL,
    chunk_first INTEGER NOT NULL,
    chunk_total INTEGER NOT NULL,
    lacking INTEGER NOT NULL,
    received INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    shown INTEGER NOT NULL,
    PRIMARY KEY (node, number)
) STRICT;
CREATE INDEX resource_author ON resource (node, author, number);
CREATE UNIQUE INDEX resource_id ON resource (node, id);
CREATE INDEX resource_order ON resource (node, stamp_at, stamp_count, id);
CREATE INDEX resource_lacking ON resource (node, number) WHERE lacking > 0;
CREATE INDEX resource_chunks ON resource (node, chunk_first) WHERE chunk_total > 0;

CREATE TABLE chunk (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    number INTEGER NOT NULL,
    hash BLOB NOT NULL,
    held INTEGER NOT NULL,
    PRIMARY KEY (node, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX chunk_hash ON chunk (node, hash);

CREATE TABLE blob (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    hash BLOB NOT NULL,
    size INTEGER NOT NULL,
    PRIMARY KEY (node, hash)
) STRICT, WITHOUT ROWID;

CREATE TABLE introduced (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    kind TEXT NOT NULL,
    name INTEGER NOT NULL,
    resource BLOB NOT NULL,
    PRIMARY KEY (node, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE wanted (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    resource BLOB NOT NULL,
    publisher INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    PRIMARY KEY (node, resource)
) STRICT, WITHOUT ROWID;

CREATE TABLE held (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    id BLOB NOT NULL,
    signed BLOB NOT NULL,
    missing TEXT NOT NULL,
    until INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    PRIMARY KEY (node, id)
) STRICT;

CREATE INDEX held_sender ON held (node, sender);

CREATE TABLE held_missing (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    name TEXT NOT NULL,
    id BLOB NOT NULL,
    PRIMARY KEY (node, name, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE told (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    medium TEXT NOT NULL,
    lines TEXT NOT NULL,
    chunks TEXT NOT NULL,
    failures INTEGER NOT NULL,
    retry_at INTEGER NOT NULL,
    PRIMARY KEY (node, peer, medium)
) STRICT, WITHOUT ROWID;

CREATE TABLE letter (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    id BLOB NOT NULL,
    peer INTEGER NOT NULL,
    medium TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    token BLOB NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    plan BLOB NOT NULL,
    handed_at INTEGER NOT NULL,
    place TEXT NOT NULL,
    PRIMARY KEY (node, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX letter_token ON letter (node, token);
CREATE INDEX letter_peer ON letter (node, peer, sequence);

CREATE TABLE reply (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    identifier TEXT NOT NULL,
    status TEXT NOT NULL,
    resource BLOB NOT NULL,
    since INTEGER NOT NULL,
    lines_max INTEGER NOT NULL
) STRICT;
CREATE INDEX reply_peer ON reply (node, peer, number);

CREATE TABLE seen (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    bundle BLOB NOT NULL,
    sender INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (node, bundle)
) STRICT;
CREATE INDEX seen_sequence ON seen (node, sender, sequence);

CREATE TABLE quarantine (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    digest BLOB NOT NULL,
    bytes INTEGER NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    sender INTEGER NOT NULL,
    place TEXT NOT NULL,
    at INTEGER NOT NULL,
    item BLOB NOT NULL,
    UNIQUE (node, digest)
) STRICT;
CREATE INDEX quarantine_item ON quarantine (node, item);

CREATE TABLE outcome (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    resource BLOB NOT NULL,
    code TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (node, peer, resource)
) STRICT, WITHOUT ROWID;

CREATE TABLE carrier (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    transport TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (node, transport, key)
) STRICT, WITHOUT ROWID;
