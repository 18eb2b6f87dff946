"""What users import: the Python client and the command line."""
