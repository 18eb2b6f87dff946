"""One attempt of one task on the machine on which it runs, whoever sent it there: sandbox, limits, end and record."""
