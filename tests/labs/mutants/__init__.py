"""Named sabotages of our own code, each of which the simulation must notice: who judges the judges."""
