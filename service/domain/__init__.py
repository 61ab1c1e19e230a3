"""What is decided: collections, items and heads. Knows neither HTTP nor what answers look like."""
