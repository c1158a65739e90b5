"""Jobs that take several parts, each one run of one model: what runs next."""
