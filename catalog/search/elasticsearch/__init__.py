"""Cohort search on Elasticsearch: one document per participant, its acquisitions nested in it."""

from catalog.search.elasticsearch.index import ElasticsearchIndex

__all__ = ["ElasticsearchIndex"]
