"""The commands of an operator, which a process of their own carries out."""
