"""The ledger: entries, their Merkle tree (RFC 9162), signed checkpoints and proofs."""
