"""Data under version control: DataLad datasets, git-annex and plain git repositories."""
