"""Running the checks: the pytest plugin, the workers that answer, a second process beside the first, the evidence."""
