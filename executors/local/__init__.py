"""The local runner: tasks on this machine, in a sandbox where there is one."""
