"""Every parser of bytes that a stranger can write, under mutation, with a corpus that is kept."""
