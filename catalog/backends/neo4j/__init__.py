"""The backend for what one machine is too small for: records, edges and ledger in one Neo4j database."""

from catalog.backends.neo4j.repository import Neo4jRepository

__all__ = ["Neo4jRepository"]
