"""Compiled kernels: rows, losses, optimizer rules and the one training loop."""
