"""How close is equal, and what the golden files call the three parts."""

NAMES = ("body", "lhand", "rhand")
CLOSE = {"rtol": 2e-5, "atol": 2e-5}
GRADIENTS = {"rtol": 1e-4, "atol": 1e-4}
