"""What provenance records of others say, as PROV and in a few words: PROV, NIDM-Results, ``datalad run``, BIDS."""

from provenance.readers.foreign import Foreign, read_foreign

__all__ = ["Foreign", "read_foreign"]
