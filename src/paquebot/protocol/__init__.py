"""What nodes say to each other and what must be true afterwards: no clock, no disk, no wire, no dice."""
