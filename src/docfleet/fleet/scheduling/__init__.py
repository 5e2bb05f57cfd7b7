"""The parts of the scheduler, one subject each; `docfleet.fleet.scheduler` puts them together."""
