"""Pictures of a loss: filter-normalised directions and the plane that they span."""
