"""Backends of the catalogue's contracts; none imports another."""
