"""How links and connections are set up, for every face: link options, connect options, the configuration file."""
