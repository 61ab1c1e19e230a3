"""What callers may send: each rule once."""
