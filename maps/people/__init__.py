"""Who may see and do what: accounts, log-in, sessions."""
