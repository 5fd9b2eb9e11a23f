"""One fit, from the data to the result."""
