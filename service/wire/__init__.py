"""The shapes of requests and answers, with examples."""
