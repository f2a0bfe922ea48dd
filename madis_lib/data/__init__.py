"""Corpora on disk and what turns them into batches.  Import the module you need."""
