//! Simulated seams: what a test or the simulator puts in the place of the world.
