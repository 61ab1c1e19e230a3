"""Studies: one command each, which prints the table that a decision rests on."""
