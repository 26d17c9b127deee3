"""What a run will cost, what it will reach, and where it stops paying: costs, memory, cluster plans, scaling laws."""
