-- The whole of SDMP, and daily life around it. A store that has 0001 is taken along by this.

-- Trust: ----------------------------------------------------------------------------------------------------




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




-- Restores and forks: -----------------------------------------------------------------------------------------




-- Meeting: ----------------------------------------------------------------------------------------------------




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




-- Truth: ------------------------------------------------------------------------------------------------------

-- 'kept', 'dropped' (its bytes had to make room) or 'purged' (a person needs them no longer).
ALTER TABLE quarantine ADD COLUMN state TEXT NOT NULL DEFAULT 'kept';

CREATE TABLE tally (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    name TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (node, name)
) STRICT, WITHOUT ROWID;




-- Disk: -------------------------------------------------------------------------------------------------------
