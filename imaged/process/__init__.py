"""The process and its system: signals, the service manager, listening sockets, the handover, the shutdown."""
