"""What is wanted: settings, syncs and collections. Reads files and environment, no network."""
