"""SQL is the truth: tables, their migrations, and what is read from and written to them."""
