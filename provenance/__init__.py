"""What happened: the PROV data model, the ledger, lineage, PROV formats, the verifier."""
