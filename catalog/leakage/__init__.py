"""Leakage: whether the people whose data a model is used on were among those that it was trained on."""
