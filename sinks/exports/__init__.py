"""What is known of journeys, as files for other programs: event logs for process mining, tables for everything else."""
