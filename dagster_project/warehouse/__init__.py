"""What works on the warehouse beside dbt and the KPI tables: extensions, locks, digests, Markov, people."""
