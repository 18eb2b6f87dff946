"""Tasks on a Slurm cluster: each attempt is carried through on its node as the local runner does it here."""
