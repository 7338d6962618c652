"""Models: one file each, found by name through the registry, wrapped with the OFI reduction into a pipeline."""
