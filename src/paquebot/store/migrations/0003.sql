-- Private things: the wrap by which a node got its key; empty if the key came with the thing itself.
ALTER TABLE readable ADD COLUMN wrap BLOB NOT NULL DEFAULT x'';
