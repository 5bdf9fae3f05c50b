"""This process among others: signals, the service manager, and sockets that outlive a program."""
