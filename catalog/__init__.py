"""What exists: records and their repository, readers, data versions, cohort search, DOI registration."""
