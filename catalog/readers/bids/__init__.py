"""The BIDS reader: entities, inheritance, tables and recordings by the rules of the BIDS schema."""

from catalog.readers.bids.reader import is_bids, read_bids

__all__ = ["is_bids", "read_bids"]
