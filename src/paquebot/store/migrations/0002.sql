-- The whole of SDMP, and daily life around it. A store that has 0001 is taken along by this.

-- Trust: ----------------------------------------------------------------------------------------------------

CREATE INDEX resource_proof ON resource (node, author, number) WHERE kind IN ('revoke', 'trust', 'identity');
CREATE INDEX resource_urgent ON resource (node, number)
    WHERE kind IN ('revoke', 'trust', 'identity', 'envelope_keys', 'ending');
CREATE INDEX resource_signer ON resource (node, signer, author, number);

CREATE TABLE hidden (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    resource BLOB NOT NULL,
    cause BLOB NOT NULL,
    PRIMARY KEY (node, resource)
) STRICT;

ALTER TABLE peer ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;



-- Private resources: ------------------------------------------------------------------------------------------

-- What was opened; its row in `resource` shows from then on what lies inside.
CREATE TABLE opened (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    resource BLOB NOT NULL,
    readers TEXT NOT NULL,
    parent BLOB NOT NULL,
    PRIMARY KEY (node, resource)
) STRICT, WITHOUT ROWID;

-- What was tried and did not open; for a `wrap`, also which resource it is a key to.
CREATE TABLE closed (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    resource BLOB NOT NULL,
    of BLOB NOT NULL,
    PRIMARY KEY (node, resource)
) STRICT, WITHOUT ROWID;
CREATE INDEX closed_of ON closed (node, of, resource);

-- For which users a private resource of our own user is, and which nodes have a key to it.
CREATE TABLE audience (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    reader INTEGER NOT NULL,
    resource BLOB NOT NULL,
    PRIMARY KEY (node, reader, resource)
) STRICT, WITHOUT ROWID;
CREATE TABLE readable (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    reader INTEGER NOT NULL,
    resource BLOB NOT NULL,
    PRIMARY KEY (node, reader, resource)
) STRICT, WITHOUT ROWID;

CREATE INDEX resource_closed ON resource (node, number) WHERE kind IN ('sealed', 'encrypted', 'wrap');




-- Requests and limits: ----------------------------------------------------------------------------------------

ALTER TABLE told ADD COLUMN failing_since INTEGER NOT NULL DEFAULT 0;
ALTER TABLE told ADD COLUMN given_up INTEGER NOT NULL DEFAULT 0;

CREATE TABLE asking (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    resource BLOB NOT NULL,
    peer INTEGER NOT NULL,
    times INTEGER NOT NULL,
    until INTEGER NOT NULL,
    denied INTEGER NOT NULL,
    PRIMARY KEY (node, resource, peer)
) STRICT, WITHOUT ROWID;
CREATE INDEX asking_peer ON asking (node, peer, until);

CREATE TABLE account (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (node, peer)
) STRICT, WITHOUT ROWID;




-- Restores and forks: -----------------------------------------------------------------------------------------

-- What other nodes signed of their journals: proof that its author wrote line `number` and all lines before.
CREATE TABLE proof (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    journal INTEGER NOT NULL,
    number INTEGER NOT NULL,
    since INTEGER NOT NULL,
    identifier TEXT NOT NULL,
    algorithm TEXT NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (node, journal, number)
) STRICT, WITHOUT ROWID;

-- How far we have spoken; `branch` is set when that contradicts what we said before a restore.
CREATE TABLE past (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL PRIMARY KEY,
    said INTEGER NOT NULL,
    branch INTEGER NOT NULL
) STRICT;
INSERT INTO past (user, node, said, branch)
    SELECT user, node, (SELECT COALESCE(max(number), 0) FROM line WHERE line.node = local.node AND journal = local.node), 0
    FROM local;

-- Lines of our own journal that peers know and we do not.
CREATE TABLE lapse (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    number INTEGER NOT NULL,
    line BLOB NOT NULL,
    since INTEGER NOT NULL,
    asked INTEGER NOT NULL,
    PRIMARY KEY (node, peer)
) STRICT, WITHOUT ROWID;

-- A peer whose journal has ended, and which node continues it.
ALTER TABLE peer ADD COLUMN ended INTEGER NOT NULL DEFAULT 0;
ALTER TABLE peer ADD COLUMN heir INTEGER NOT NULL DEFAULT 0;

-- The nodes that this home was before: what is on its way to them is opened here.
CREATE TABLE predecessor (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    old INTEGER NOT NULL,
    PRIMARY KEY (node, old)
) STRICT, WITHOUT ROWID;

-- Two histories that one node signed; both signature objects are kept.
CREATE TABLE fork (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    journal INTEGER NOT NULL,
    number INTEGER NOT NULL,
    held BLOB NOT NULL,
    other BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (node, journal)
) STRICT;




-- Meeting: ----------------------------------------------------------------------------------------------------

CREATE TABLE pending (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    stranger INTEGER NOT NULL,
    stranger_user INTEGER NOT NULL,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    card BLOB NOT NULL,
    since INTEGER NOT NULL,
    place TEXT NOT NULL,
    reason TEXT NOT NULL,
    declined INTEGER NOT NULL,
    UNIQUE (node, stranger)
) STRICT;

CREATE TABLE invite (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    name BLOB NOT NULL,
    secret BLOB NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    label TEXT NOT NULL,
    revoked INTEGER NOT NULL,
    used INTEGER NOT NULL,
    guest INTEGER NOT NULL,
    PRIMARY KEY (node, name)
) STRICT;

CREATE TABLE joined (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    secret BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (node, peer)
) STRICT;

CREATE TABLE verified (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    at INTEGER NOT NULL,
    how TEXT NOT NULL,
    PRIMARY KEY (node, peer)
) STRICT;




-- Events and hooks: -------------------------------------------------------------------------------------------

-- What happened, noted with its cause. The number is a cursor; a resource or peer that there is none of is empty.
CREATE TABLE event (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    resource BLOB NOT NULL,
    peer INTEGER NOT NULL,
    detail TEXT NOT NULL
) STRICT;
CREATE INDEX event_node ON event (node, number);

-- What resources that are held say of others: to what they reply, what they attach, what they replace.
CREATE TABLE related (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    resource BLOB NOT NULL,
    place INTEGER NOT NULL,
    how TEXT NOT NULL,
    other BLOB NOT NULL,
    PRIMARY KEY (node, resource, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX related_other ON related (node, other, how);

-- What remains to be done outside because of an event, which may be forgotten meanwhile.
CREATE TABLE errand (
    number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    task TEXT NOT NULL,
    event INTEGER NOT NULL,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    resource BLOB NOT NULL,
    peer INTEGER NOT NULL,
    detail TEXT NOT NULL,
    tries INTEGER NOT NULL,
    retry_at INTEGER NOT NULL,
    problem TEXT NOT NULL
) STRICT;




-- Truth: ------------------------------------------------------------------------------------------------------

-- 'kept', 'dropped' (its bytes had to make room) or 'purged' (a person needs them no longer).
ALTER TABLE quarantine ADD COLUMN state TEXT NOT NULL DEFAULT 'kept';

-- When it was learned that lines of ours had got so far, and where.
CREATE TABLE reached (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    peer INTEGER NOT NULL,
    stage TEXT NOT NULL,
    at INTEGER NOT NULL,
    place TEXT NOT NULL,
    lines TEXT NOT NULL,
    PRIMARY KEY (node, peer, stage, at, place)
) STRICT, WITHOUT ROWID;

CREATE TABLE tally (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (node, name)
) STRICT, WITHOUT ROWID;




-- Disk: -------------------------------------------------------------------------------------------------------
-- Why a resource's bytes are not here though its line is: '' (they are), 'forgotten' on purpose, 'lost' by damage.
ALTER TABLE resource ADD COLUMN gone TEXT NOT NULL DEFAULT '';
CREATE INDEX resource_lost ON resource (node, id) WHERE gone = 'lost';
