"""Stories: what people do with the running service, told over real sockets by programs that know the contract alone."""
