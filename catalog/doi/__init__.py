"""DOIs: metadata of DataCite kernel 4.7, its XML, and registration through DataCite or without an account."""
