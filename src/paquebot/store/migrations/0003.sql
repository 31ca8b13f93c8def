-- Private things: the wrap by which a node got its key; empty if the key came with the thing itself.
ALTER TABLE readable ADD COLUMN wrap BLOB NOT NULL DEFAULT x'';
-- Which keys came so was not noted before: where any did, all are written once more.
DELETE FROM readable WHERE EXISTS (
    SELECT 1 FROM closed WHERE closed.node = readable.node AND closed.of = readable.resource AND closed.of != x''
);

-- What waits is judged once more by the next sync: a reply waits no longer for what it answers.
UPDATE held SET until = 1 WHERE until = 0;



-- Bounds: -----------------------------------------------------------------------------------------------------

-- Chunks that no manifest names yet, and the peer that brought them.
CREATE TABLE loose (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    hash BLOB NOT NULL,
    peer INTEGER NOT NULL,
    PRIMARY KEY (node, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX loose_peer ON loose (node, peer);

-- Which users' nodes brought a chunk: what they name, they have.
CREATE TABLE giver (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    hash BLOB NOT NULL,
    giver INTEGER NOT NULL,
    PRIMARY KEY (node, hash, giver)
) STRICT, WITHOUT ROWID;

-- How much of one peer's waits, without reading it.
ALTER TABLE held ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
UPDATE held SET bytes = length(signed);
DROP INDEX held_sender;
CREATE INDEX held_weight ON held (node, sender, bytes);

-- When a thing stops being of use, as its author says; 0 for never. `repair` finds it for what was there before.
ALTER TABLE resource ADD COLUMN expires INTEGER NOT NULL DEFAULT 0;
