"""The methods that minimise the objective, epoch by epoch."""
