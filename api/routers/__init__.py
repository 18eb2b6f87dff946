"""Routers: parse, call one operation, present. No rule lives here."""
