"""The BIDS reader: entities, inheritance, tables and recordings by the rules of the BIDS schema."""

from catalog.readers.bids.reader import check_bids, read_bids

__all__ = ["check_bids", "read_bids"]
