"""The wire dialects, each a module that was written from what its protocol says."""
