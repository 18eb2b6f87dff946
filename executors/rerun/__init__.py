"""Repeating a run without Sillage: the record that ``datalad rerun`` reads, and the program that it starts."""
