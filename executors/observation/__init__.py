"""What was seen of a run beside its exit status: the inputs it opened, the energy it took, what it said of itself."""
