"""The daemon: starts and stops the service, replaces generations on a reload, hands over to a new process."""
