-- Carrying for others: sealed parcels that none of our keys opens, by what stands on their outside. ----------------

-- `kept` is 1 while the bytes, a blob, are here.
CREATE TABLE parcel (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    name BLOB NOT NULL,
    blob BLOB NOT NULL,
    size INTEGER NOT NULL,
    rank INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    hops INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    since INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    kept INTEGER NOT NULL,
    PRIMARY KEY (node, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX parcel_worth ON parcel (node, kept, rank, priority, ends DESC, name, size);
CREATE INDEX parcel_ends ON parcel (node, ends);
CREATE INDEX parcel_blob ON parcel (blob);

-- For whom it is: a tag that they alone recognise, a hash to check their token by, and the token once they showed it.
CREATE TABLE addressee (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    parcel BLOB NOT NULL,
    place INTEGER NOT NULL,
    tag BLOB NOT NULL,
    hash BLOB NOT NULL,
    token BLOB NOT NULL,
    PRIMARY KEY (node, parcel, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX addressee_hash ON addressee (node, hash);

-- On which media it was found (0) or put (1), or perhaps put (-1): the power may have gone before that was known.
CREATE TABLE berth (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    medium TEXT NOT NULL,
    parcel BLOB NOT NULL,
    put INTEGER NOT NULL,
    PRIMARY KEY (node, medium, parcel)
) STRICT, WITHOUT ROWID;
CREATE INDEX berth_parcel ON berth (node, parcel, put);

-- Tokens that were shown before anything here waited for them.
CREATE TABLE shown (
    user INTEGER NOT NULL,
    node INTEGER NOT NULL,
    hash BLOB NOT NULL,
    token BLOB NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (node, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX shown_at ON shown (node, at);
