-- The whole of SDMP, and daily life around it. A store that has 0001 is taken along by this.

-- Trust: ----------------------------------------------------------------------------------------------------




-- Private resources: ------------------------------------------------------------------------------------------




-- Requests and limits: ----------------------------------------------------------------------------------------




-- Restores and forks: -----------------------------------------------------------------------------------------




-- Meeting: ----------------------------------------------------------------------------------------------------




-- Events and hooks: -------------------------------------------------------------------------------------------




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
