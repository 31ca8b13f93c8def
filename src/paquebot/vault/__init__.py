"""Keys and seals: OpenPGP envelopes behind a strict packet layer. The only importer of pgpy."""
